//! What a socket's settings say together: systemd's own refusals (`socket_verify`) and defaults that depend on others.

use super::socket::Draft;
use crate::diagnostic::{Place, codes};
use crate::ids::UnitKind;
use crate::spec::merge::Merged;
use crate::spec::reader::Reader;
use crate::spec::{SocketSpec, value};

/// Completes a draft; with `merged` it checks what is given and what is not. `file` is the unit file.
pub(crate) fn finish(reader: &mut Reader<'_>, mut draft: Draft, merged: Option<&Merged<'_>>, file: &str) -> SocketSpec {
    draft.listen.sort_by_key(|(order, _)| *order);
    let mut spec = draft.spec;
    spec.listen = draft.listen.into_iter().map(|(_, listen)| listen).collect();
    let (trigger, poll) = if spec.accept { (200, 150) } else { (20, 15) };
    spec.trigger_limit.burst = draft.trigger_burst.unwrap_or(trigger);
    spec.poll_limit.burst = draft.poll_burst.unwrap_or(poll);
    spec.kill.restart_signal = draft.restart_signal.unwrap_or(spec.kill.signal);
    if !draft.names_its_service {
        spec.service = match spec.accept {
            true => format!("{}@.service", reader.name.prefix()).parse().ok(),
            false => reader.name.with_kind(UnitKind::Service).ok(),
        };
    }
    if let Some(merged) = merged {
        let whole = Place { file: file.to_owned(), line: 0, column: 0 };
        let place = |key: &str| merged.last(key).map_or(whole.clone(), |at| at.key_place());
        listening(reader, merged, &place);
        accepting(reader, &spec, merged, &place);
        symlinks(reader, &spec, &place);
    }
    spec
}

const LISTEN: [&str; 8] = [
    "ListenStream",
    "ListenDatagram",
    "ListenSequentialPacket",
    "ListenFIFO",
    "ListenSpecial",
    "ListenNetlink",
    "ListenMessageQueue",
    "ListenUSBFunction",
];

fn listening(reader: &mut Reader<'_>, merged: &Merged<'_>, place: &impl Fn(&str) -> Place) {
    // An address that could not be read has an error of its own.
    if LISTEN.iter().all(|key| merged.last(key).is_none()) {
        let message = "the socket listens nowhere";
        reader.error(
            codes::NO_LISTEN,
            place(""),
            message,
            "say where: ListenStream=/run/NAME.sock, or ListenStream=8080",
        );
    }
}

fn accepting(reader: &mut Reader<'_>, spec: &SocketSpec, merged: &Merged<'_>, place: &impl Fn(&str) -> Place) {
    if !spec.accept {
        if merged.last("MaxConnectionsPerSource").is_some() || merged.last("MaxConnections").is_some() {
            let key =
                if merged.last("MaxConnections").is_some() { "MaxConnections" } else { "MaxConnectionsPerSource" };
            let message = format!("{key}= has no effect without Accept=yes");
            reader.warning(codes::NO_EFFECT, place(key), message, "add Accept=yes, or take it away");
        }
        return;
    }
    if spec.listen.iter().any(|listen| !listen.can_accept()) {
        let message = "Accept=yes, and one of the addresses has no connections to accept";
        let hint = "Accept=yes goes with ListenStream= and ListenSequentialPacket= alone";
        reader.error(codes::ACCEPT_MODE, place("Accept"), message, hint);
    }
    if merged.last("Service").is_some() {
        let message = "Accept=yes starts instances of the template of the socket's own name; Service= is not allowed";
        reader.error(codes::ACCEPT_MODE, place("Service"), message, "rename the template, and take Service= away");
    }
    if spec.max_connections == 0 {
        let message = "Accept=yes, and MaxConnections=0 allows no connection";
        reader.error(codes::ACCEPT_MODE, place("MaxConnections"), message, "allow some, or leave it away");
    }
    let defers = |at: &str| at == "patient" || value::boolean(at) == Ok(true);
    if merged.last("DeferTrigger").is_some_and(|at| defers(at.value())) {
        let message = "Accept=yes and DeferTrigger= do not go together";
        reader.error(codes::ACCEPT_MODE, place("DeferTrigger"), message, "take one of them away");
    }
}

fn symlinks(reader: &mut Reader<'_>, spec: &SocketSpec, place: &impl Fn(&str) -> Place) {
    let nodes = spec.listen.iter().filter(|listen| listen.node_path().is_some()).count();
    if !spec.symlinks.is_empty() && nodes != 1 {
        let message = format!("Symlinks= needs exactly one node in the file system, and there are {nodes}");
        reader.error(codes::SYMLINKS_TARGET, place("Symlinks"), message, "split the unit, or take Symlinks= away");
    }
}
