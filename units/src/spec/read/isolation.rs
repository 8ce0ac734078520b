//! What processes see and may do (systemd.exec(5), "Paths", "Capabilities", "Security", "Sandboxing", "System call
//! filtering").

use crate::spec::isolation::{
    BpfDelegation, IsolationSpec, Label, NamespaceSpec, PrivilegeSpec, ProtectHostname, RestrictSpec, RootSpec,
    VerityData, ViewSpec,
};
use crate::spec::keyword::keyword;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::value::capability::{CapabilitySet, capability, secure_bit};
use crate::spec::value::kernel::{Namespace, is_address_family, is_call_architecture};
use crate::spec::value::mount::{BindMount, TemporaryMount};
use crate::spec::value::system_call::{
    FILE_SYSTEM_GROUPS, Filter, FilterRule, is_call_or_group, system_call, system_call_error,
};
use crate::spec::value::{self, encoding, mount};
use crate::syntax::words::{Escapes, Words};
use crate::syntax::{WHITESPACE, Word, WordError};
use std::collections::BTreeSet;

/// Reads one directive into `spec`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut IsolationSpec) -> bool {
    view_row(reader, row, &mut spec.view)
        || namespace_row(reader, row, &mut spec.namespaces)
        || privilege_row(reader, row, &mut spec.privileges)
        || restrict_row(reader, row, &mut spec.restrict)
        || root_row(reader, row, &mut spec.root)
}

fn view_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ViewSpec) -> bool {
    let values = row.values;
    let Some(last) = values.last() else { return true };
    match row.directive.key {
        "ProtectSystem" => spec.protect_system = reader.keyword(last),
        "ProtectHome" => spec.protect_home = reader.keyword(last),
        "ProtectProc" => spec.protect_proc = reader.keyword(last),
        "ProcSubset" => spec.proc_subset = reader.keyword(last),
        "ReadWritePaths" => spec.read_write = reader.parsed(values, Escapes::Plain, mount::path_rule),
        "ReadOnlyPaths" => spec.read_only = reader.parsed(values, Escapes::Plain, mount::path_rule),
        "InaccessiblePaths" => spec.inaccessible = reader.parsed(values, Escapes::Plain, mount::path_rule),
        "ExecPaths" => spec.exec = reader.parsed(values, Escapes::Plain, mount::path_rule),
        "NoExecPaths" => spec.no_exec = reader.parsed(values, Escapes::Plain, mount::path_rule),
        "BindPaths" => spec.bind = binds(reader, values),
        "BindReadOnlyPaths" => spec.bind_read_only = binds(reader, values),
        "TemporaryFileSystem" => spec.temporary = temporary(reader, values),
        "MountImages" => spec.images = some(reader, values, mount::mounted_image),
        "MountImagePolicy" => spec.image_policy = reader.checked(last, mount::image_policy(last.value())),
        "MountAPIVFS" => spec.mount_api_vfs = reader.boolean(last),
        "BindLogSockets" => spec.bind_log_sockets = reader.boolean(last),
        "MountFlags" => spec.propagation = Some(reader.keyword(last)),
        _ => return false,
    }
    true
}

fn namespace_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut NamespaceSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "PrivateTmp" => spec.tmp = reader.keyword(last),
        "PrivateDevices" => spec.devices = reader.yes(last),
        "PrivateNetwork" => spec.network = reader.yes(last),
        "NetworkNamespacePath" => spec.network_path = reader.path(last, 0, last.value()),
        "BindNetworkInterface" => spec.network_interface = reader.text(last),
        "PrivateIPC" => spec.ipc = reader.yes(last),
        "IPCNamespacePath" => spec.ipc_path = reader.path(last, 0, last.value()),
        "PrivatePIDs" => spec.pids = reader.yes(last),
        "PrivateUsers" => spec.users = reader.keyword(last),
        "UserNamespacePath" => spec.users_path = reader.path(last, 0, last.value()),
        "PrivateMounts" => spec.mounts = reader.boolean(last),
        "ProtectControlGroups" => spec.control_groups = reader.keyword(last),
        "ProtectHostname" => spec.hostname = hostname(reader, last),
        "PrivateBPF" => spec.bpf = reader.yes(last),
        "DelegateNamespaces" => spec.delegate = namespaces(reader, row, true),
        _ => return bpf_row(reader, row, &mut spec.bpf_delegate),
    }
    true
}

fn bpf_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut BpfDelegation) -> bool {
    let target = match row.directive.key {
        "BPFDelegateCommands" => &mut spec.commands,
        "BPFDelegateMaps" => &mut spec.maps,
        "BPFDelegatePrograms" => &mut spec.programs,
        "BPFDelegateAttachments" => &mut spec.attachments,
        _ => return false,
    };
    *target = reader.parsed(row.values, Escapes::Plain, |word| Ok(word.to_owned()));
    true
}

fn hostname(reader: &mut Reader<'_>, at: &Assigned<'_>) -> ProtectHostname {
    if let Some(own) = at.value().strip_prefix("private") {
        let name = match own.strip_prefix(':') {
            None if own.is_empty() => return ProtectHostname::Private(None),
            Some(_) => reader.text(at).and_then(|text| text.split_once(':').map(|(_, name)| name.to_owned())),
            None => None,
        };
        if name.is_some() {
            return ProtectHostname::Private(name);
        }
    }
    match reader.checked(at, value::boolean(at.value()).map_err(|error| format!("{error}, nor private[:NAME]"))) {
        Some(true) => ProtectHostname::Yes,
        Some(false) | None => ProtectHostname::No,
    }
}

fn privilege_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut PrivilegeSpec) -> bool {
    let values = row.values;
    let Some(last) = values.last() else { return true };
    match row.directive.key {
        "DynamicUser" => spec.dynamic_user = reader.yes(last),
        "SetLoginEnvironment" => spec.login_environment = reader.boolean(last),
        "CapabilityBoundingSet" => spec.bounding = capabilities(reader, row),
        "AmbientCapabilities" => spec.ambient = capabilities(reader, row).unwrap_or_default(),
        "SecureBits" => {
            for at in values {
                for word in reader.raw_words(at, Escapes::PlainRelaxed) {
                    match secure_bit(&word.text) {
                        Some(bit) => spec.secure_bits |= bit,
                        None => reader.ignored(at, word.offset, &word.text, "no secure bit"),
                    }
                }
            }
        }
        "NoNewPrivileges" => spec.no_new = reader.yes(last),
        "SELinuxContext" => spec.selinux_context = label(reader, last),
        "AppArmorProfile" => spec.apparmor_profile = label(reader, last),
        "SmackProcessLabel" => spec.smack_label = label(reader, last),
        _ => return false,
    }
    true
}

fn label(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<Label> {
    let text = reader.text(at)?;
    let optional = text.starts_with('-');
    Some(Label { label: text.strip_prefix('-').unwrap_or(&text).to_owned(), optional })
}

fn capabilities(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<CapabilitySet> {
    let mut found: Option<CapabilitySet> = None;
    for at in row.values {
        let invert = at.value().starts_with('~');
        let mut named = CapabilitySet::default();
        for word in reader.raw_words_from(at, usize::from(invert), Escapes::PlainRelaxed) {
            match capability(&word.text) {
                Some(number) => named = named.with(number),
                None => reader.ignored(at, word.offset, &word.text, "no capability"),
            }
        }
        // Ambient sets begin empty, and systemd reads what follows an empty set as the first line.
        let before = found.filter(|set| !set.is_empty() || row.directive.key == "CapabilityBoundingSet");
        found = Some(named.merged_into(before, invert));
    }
    found
}

fn restrict_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut RestrictSpec) -> bool {
    let values = row.values;
    let Some(last) = values.last() else { return true };
    match row.directive.key {
        "ProtectClock" => spec.clock = reader.yes(last),
        "ProtectKernelTunables" => spec.kernel_tunables = reader.yes(last),
        "ProtectKernelModules" => spec.kernel_modules = reader.yes(last),
        "ProtectKernelLogs" => spec.kernel_logs = reader.yes(last),
        "LockPersonality" => spec.personality = reader.yes(last),
        "MemoryDenyWriteExecute" => spec.write_execute = reader.yes(last),
        "RestrictRealtime" => spec.realtime = reader.yes(last),
        "RestrictSUIDSGID" => spec.suid_sgid = reader.yes(last),
        "RemoveIPC" => spec.remove_ipc = reader.yes(last),
        "RestrictAddressFamilies" => spec.address_families = address_families(reader, row),
        "RestrictFileSystems" => spec.file_systems = filter(reader, row, file_system),
        "RestrictNamespaces" => spec.namespaces = namespaces(reader, row, false),
        "SystemCallFilter" => spec.system_calls = filter(reader, row, system_call),
        "SystemCallLog" => spec.system_call_log = filter(reader, row, logged_call),
        "SystemCallErrorNumber" => {
            spec.system_call_error = reader.checked(last, system_call_error(last.value(), false));
        }
        "SystemCallArchitectures" => {
            let architecture = |word: &str| match is_call_architecture(word) {
                true => Ok(word.to_owned()),
                false => Err(format!("{word:?} is no architecture such as native or x86-64")),
            };
            spec.system_call_architectures = reader.parsed(values, Escapes::Plain, architecture).into_iter().collect();
        }
        "LandlockConfig" => spec.landlock_config = reader.path(last, 0, last.value()),
        _ => return false,
    }
    true
}

/// `none` forbids all; otherwise as any list of names.
fn address_families(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<crate::spec::resources::NameFilter> {
    let none = row.values.iter().rposition(|at| at.value() == "none");
    let values = none.map_or(row.values, |none| &row.values[none + 1..]);
    let family = |word: &str| match is_address_family(word) {
        true => Ok(()),
        false => Err(format!("{word:?} is no address family such as AF_INET")),
    };
    let start = none.map(|_| crate::spec::resources::NameFilter { allow: true, ..Default::default() });
    reader.name_filter_from(start, values, family)
}

fn file_system(word: &str, invert: bool) -> Result<FilterRule, String> {
    Ok(FilterRule { name: word.to_owned(), invert, error: None })
}

fn logged_call(word: &str, invert: bool) -> Result<FilterRule, String> {
    if word.contains(':') {
        Err(format!("{word:?}: calls that are logged have no error"))
    } else {
        file_system(word, invert)
    }
}

/// Lines of names, a `~` before the first of a line inverts the line.
fn filter(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    parse: impl Fn(&str, bool) -> Result<FilterRule, String>,
) -> Option<Filter> {
    let of_files = row.directive.key == "RestrictFileSystems";
    let escapes = if of_files { Escapes::Plain } else { Escapes::Unquoted };
    let mut found: Option<Filter> = None;
    for at in row.values {
        let invert = at.value().starts_with('~');
        let words = reader.raw_words_from(at, usize::from(invert), escapes);
        let filter = found.get_or_insert_with(|| Filter { allow: !invert, rules: Vec::with_capacity(words.len()) });
        for word in words {
            let Some(rule) = reader.checked_at(at, word.offset, parse(&word.text, invert)) else { continue };
            match rule.name.starts_with('@') {
                true if of_files && !FILE_SYSTEM_GROUPS.contains(&&*rule.name) => {
                    reader.ignored(at, word.offset, &rule.name, "no group of file systems");
                }
                false if of_files => {}
                _ if of_files || is_call_or_group(&rule.name) => {}
                true => reader.ignored(at, word.offset, &rule.name, "no group of system calls"),
                false => reader.ignored(at, word.offset, &rule.name, "no system call"),
            }
            filter.rules.push(rule);
        }
    }
    found
}

/// A boolean replaces, names are added, or taken away behind a `~`. `yes` is the empty set for `RestrictNamespaces=`
/// and the full one for `DelegateNamespaces=` (`yes_is_all`).
fn namespaces(reader: &mut Reader<'_>, row: &Row<'_>, yes_is_all: bool) -> Option<BTreeSet<Namespace>> {
    let all = || Namespace::WORDS.iter().filter_map(|word| keyword::<Namespace>(word)).collect::<BTreeSet<_>>();
    let mut found: Option<BTreeSet<Namespace>> = None;
    for at in row.values {
        if let Ok(yes) = value::boolean(at.value()) {
            found = match (yes, yes_is_all) {
                (true, true) => Some(all()),
                (true, false) | (false, true) => Some(BTreeSet::new()),
                (false, false) => None,
            };
            continue;
        }
        let invert = at.value().starts_with('~');
        let mut named = BTreeSet::new();
        for word in reader.raw_words_from(at, usize::from(invert), Escapes::Plain) {
            let namespace = keyword::<Namespace>(&word.text)
                .ok_or_else(|| format!("{:?} is none of {}", word.text, Namespace::WORDS.join(", ")));
            named.extend(reader.checked_at(at, word.offset, namespace));
        }
        found = Some(match (found, invert) {
            (None, false) => named,
            (None, true) => &all() - &named,
            (Some(before), false) => &before | &named,
            (Some(before), true) => &before - &named,
        });
    }
    found
}

fn root_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut RootSpec) -> bool {
    let values = row.values;
    let Some(last) = values.last() else { return true };
    match row.directive.key {
        "RootDirectory" => spec.directory = reader.path(last, 0, last.value()),
        "RootImage" => spec.image = reader.path(last, 0, last.value()),
        "RootMStack" => spec.layers = reader.path(last, 0, last.value()),
        "RootVerity" => spec.verity = reader.path(last, 0, last.value()),
        "RootEphemeral" => spec.ephemeral = reader.yes(last),
        "RootImageOptions" => spec.image_options = some(reader, values, mount::partition_options),
        "RootImagePolicy" => spec.image_policy = reader.checked(last, mount::image_policy(last.value())),
        "RootHash" => spec.hash = verity(reader, last, root_hash),
        "RootHashSignature" => spec.hash_signature = verity(reader, last, signature),
        "ExtensionImages" => spec.extension_images = some(reader, values, mount::extension_image),
        "ExtensionImagePolicy" => spec.extension_policy = reader.checked(last, mount::image_policy(last.value())),
        "ExtensionDirectories" => {
            spec.extension_directories = reader.parsed(values, Escapes::Plain, mount::path_rule);
        }
        _ => return false,
    }
    true
}

/// `SOURCE[:DESTINATION[:OPTIONS]]`, with white space between two.
fn binds(reader: &mut Reader<'_>, values: &[Assigned<'_>]) -> Vec<BindMount> {
    const SEPARATORS: [char; 5] = [':', ' ', '\t', '\n', '\r'];
    let mut found = Vec::new();
    for at in values {
        let mut words = Words::new(at.value(), Escapes::Plain).between(&SEPARATORS);
        // A colon in front would be no source at all.
        while !words.rest_behind(&WHITESPACE).is_empty() {
            match one_bind(&mut words) {
                Err(error) => {
                    reader.bad_quoting(at, 0, &error);
                    break;
                }
                Ok(fields) => found.extend(bind(reader, at, &fields)),
            }
        }
    }
    found
}

/// Source, destination, options.
type BindFields = (Word, Option<Word>, Option<Word>);

fn one_bind(words: &mut Words<'_>) -> Result<BindFields, WordError> {
    let source = words.adjacent()?;
    let destination = if words.ended_at(':') { Some(words.adjacent()?) } else { None };
    let options = if words.ended_at(':') { Some(words.adjacent()?) } else { None };
    Ok((source, destination, options))
}

fn bind(reader: &mut Reader<'_>, at: &Assigned<'_>, fields: &BindFields) -> Option<BindMount> {
    let (source, destination, options) = fields;
    let mut filled = |word: &Word| reader.expand(at, word.offset, &word.text);
    let from = filled(source)?;
    let to = match destination {
        Some(word) => Some(filled(word)?),
        None => None,
    };
    let options = options.as_ref().map_or("", |word| &word.text);
    reader.checked_at(at, source.offset, mount::bind(&from, to.as_deref(), options))
}

/// `PATH[:OPTIONS]`: options have no specifiers.
fn temporary(reader: &mut Reader<'_>, values: &[Assigned<'_>]) -> Vec<TemporaryMount> {
    let mut found = Vec::new();
    for at in values {
        for word in reader.raw_words(at, Escapes::Plain) {
            let (path, options) = word.text.split_once(':').unwrap_or((&word.text, ""));
            let Some(path) = reader.path(at, word.offset, path) else { continue };
            found.push(TemporaryMount { path, options: options.to_owned() });
        }
    }
    found
}

/// What `parse` finds in the words of `values`, which have escapes of their own.
fn some<T>(reader: &mut Reader<'_>, values: &[Assigned<'_>], parse: fn(&str) -> Result<Option<T>, String>) -> Vec<T> {
    reader.parsed(values, Escapes::Keep, parse).into_iter().flatten().collect()
}

fn verity(
    reader: &mut Reader<'_>,
    at: &Assigned<'_>,
    decode: fn(&str) -> Result<Vec<u8>, String>,
) -> Option<VerityData> {
    if at.value().starts_with('/') {
        return Some(VerityData::Path(at.value().to_owned()));
    }
    reader.checked(at, decode(at.value())).map(VerityData::Bytes)
}

fn root_hash(text: &str) -> Result<Vec<u8>, String> {
    let bytes = encoding::hexadecimal(text).map_err(|error| format!("{error}, nor an absolute path"))?;
    if bytes.len() < 16 { Err("a root hash has at least 16 bytes".to_owned()) } else { Ok(bytes) }
}

fn signature(text: &str) -> Result<Vec<u8>, String> {
    let data = text.strip_prefix("base64:").ok_or("it is neither an absolute path nor base64:DATA")?;
    encoding::base64(data)
}
