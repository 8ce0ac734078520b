//! Commands on a terminal: colours, escapes, questions.

use crate::coordinator::Coordinator;
use crate::run::Person;
use crate::service::Script;
use fleet_proto::v1::*;
use nix::pty::openpty;
use std::fs::File;
use std::io::{Read as _, Write as _};

/// Runs `fleet` on a terminal of its own where a person types `typed`; gives the exit code and all it showed.
fn on_a_terminal(person: &Person, line: &str, typed: &str, environment: &[(&str, &str)]) -> (i32, String) {
    let terminal = openpty(None, None).unwrap();
    let side = || terminal.slave.try_clone().unwrap();
    let mut command = person.command(&line.split_whitespace().collect::<Vec<_>>());
    command.stdin(side()).stdout(side()).stderr(side()).env("TERM", "xterm").envs(environment.iter().copied());
    let mut child = command.spawn().unwrap();
    drop((terminal.slave, command));
    let mut master = File::from(terminal.master);
    master.write_all(typed.as_bytes()).unwrap();
    let mut shown = Vec::new();
    // The read ends with EIO when the last holder of the other side is gone.
    let _ = master.read_to_end(&mut shown);
    (child.wait().unwrap().code().unwrap(), String::from_utf8(shown).unwrap())
}

fn hostile() -> Script {
    let status = UnitStatus {
        unit: "web.service".into(),
        active_state: ActiveState::Failed.into(),
        reason: Some(Reason { code: "x".into(), text: "\u{202e}gnp\x1b[2J\u{200b}".into() }),
        ..Default::default()
    };
    let view = |name: &str| EnvironmentView { name: name.into(), branch: name.into(), ..Default::default() };
    let mut production = view("production");
    production.units = vec![UnitView { node: "p-1".into(), connected: true, status: Some(status) }];
    Script {
        status: vec![StatusResponse { environments: vec![view("develop"), production], time_us: 1 }],
        promote: PromoteResponse { plan_id: "p1".into(), message: "done".into(), ..Default::default() },
        ..Script::default()
    }
}

#[test]
fn foreign_text_is_escaped_and_states_have_colours() {
    let person = Coordinator::start(hostile());
    let (code, shown) = on_a_terminal(&person.operator(), "status", "", &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(r"\u{202e}gnp\x1b[2J\u{200b}"), "{shown:?}");
    assert!(!shown.contains('\u{202e}') && !shown.contains("\x1b[2J"), "{shown:?}");
    assert!(shown.contains("\x1b[1;31mfailed"), "{shown:?}");
}

#[test]
fn no_color_is_obeyed() {
    let coordinator = Coordinator::start(hostile());
    let person = coordinator.operator();
    let (_, shown) = on_a_terminal(&person, "status", "", &[("NO_COLOR", "1")]);
    assert!(shown.contains("failed") && !shown.contains('\x1b'), "{shown:?}");
    let (_, shown) = on_a_terminal(&person, "status", "", &[("TERM", "dumb")]);
    assert!(!shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn the_last_environment_is_promoted_into_only_after_a_yes() {
    let coordinator = Coordinator::start(hostile());
    let person = coordinator.operator();
    let promotions = || coordinator.script.asked().iter().filter(|asked| asked.contains("dry_run: false")).count();
    let (code, shown) = on_a_terminal(&person, "promote production", "n\n", &[]);
    assert!(
        code == 1 && shown.contains("Promote into production? [y/N]") && shown.contains("nothing was changed"),
        "{shown}"
    );
    assert_eq!(promotions(), 0);
    let (code, shown) = on_a_terminal(&person, "promote production", "yes\n", &[]);
    assert_eq!((code, promotions()), (0, 1), "{shown}");
    let asked = coordinator.script.asked().pop().unwrap();
    assert!(asked.contains("expect: \"p1\""), "what was shown is what is promoted: {asked}");
    let (code, shown) = on_a_terminal(&person, "promote production --yes", "", &[]);
    assert!(code == 0 && !shown.contains("[y/N]"), "{shown}");
    let (code, shown) = on_a_terminal(&person, "promote develop", "", &[]);
    assert!(code == 0 && !shown.contains("[y/N]"), "{shown}");
}
