//! Cases of `testdata/spec/*.txt`: files in, the unit as understood and every finding out.
//!
//! A case is a text of parts, each begun by a line `## …`: `## load NAME [H=value …]` names the unit and, for a node,
//! the host's specifiers; `## file PATH` begins a file of the bundle; `## expect` is what must come out. Of the unit
//! only what differs from the defaults is shown. There is no switch that accepts what came out: read it, then write it.

use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::spec::{
    Context, ExecCommand, KindSpec, ServiceSpec, SocketSpec, TimerSpec, TimerTrigger, UnitSpec, load,
};
use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::path::Path;

#[derive(Default)]
struct Case {
    name: String,
    host: Option<BTreeMap<char, String>>,
    bundle: Bundle,
    expected: String,
}

fn parse(text: &str) -> Case {
    let mut case = Case::default();
    for part in text.split("## ").skip(1) {
        let (head, body) = part.split_once('\n').expect("a part has a first line");
        let body = body.strip_suffix("\n\n").map_or(body.to_owned(), |body| format!("{body}\n"));
        match head.split_once(' ').map_or((head, ""), |(word, rest)| (word, rest.trim())) {
            ("load", rest) => {
                let mut words = rest.split(' ');
                case.name = words.next().expect("load names a unit").to_owned();
                let host: BTreeMap<char, String> =
                    words.map(|word| (word.chars().next().unwrap(), word[2..].to_owned())).collect();
                case.host = (!host.is_empty()).then_some(host);
            }
            ("file", path) => {
                case.bundle.files.insert(path.to_owned(), SourceFile::new(false, body.into_bytes()));
            }
            ("expect", _) => case.expected = body,
            (other, _) => panic!("{other:?} is no part of a case"),
        }
    }
    case
}

/// `field: value` when it differs from the default.
fn show<T: Debug + PartialEq>(out: &mut String, field: &str, value: &T, default: &T) {
    if value != default {
        // UnitName("a.service") is shown as "a.service".
        let text: String = format!("{value:?}")
            .split("UnitName(")
            .enumerate()
            .map(|(index, part)| if index == 0 { part.to_owned() } else { part.replacen(')', "", 1) })
            .collect();
        writeln!(out, "{field}: {text}").unwrap();
    }
}

/// Each field of a group that differs from the default, fields of fields by their path: `isolation.view.bind: [...]`.
fn show_group<T: Debug + Default>(out: &mut String, path: &str, group: Option<&T>) {
    if let Some(group) = group {
        show_differences(out, path, &format!("{group:#?}"), &format!("{:#?}", T::default()));
    }
}

fn show_differences(out: &mut String, path: &str, text: &str, default: &str) {
    match (fields(text), fields(default)) {
        _ if text == default => {}
        (Some(fields), Some(defaults)) if fields.len() == defaults.len() => {
            for ((name, text), (_, default)) in fields.iter().zip(&defaults) {
                show_differences(out, &format!("{path}.{name}"), text, default);
            }
        }
        _ => {
            let joined = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            let joined = joined.replace("( ", "(").replace("[ ", "[").replace(", )", ")").replace(", ]", "]");
            writeln!(out, "{path}: {}", joined.replace(", }", " }")).unwrap();
        }
    }
}

/// The fields of a struct printed by `{:#?}`, each with its own text.
fn fields(text: &str) -> Option<Vec<(String, String)>> {
    let body = text.split_once(" {\n")?.1.strip_suffix('}')?;
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in body.lines() {
        let line = line.strip_prefix("    ")?;
        match line.split_once(": ") {
            Some((name, value)) if !line.starts_with([' ', '}', ']', ')']) => {
                fields.push((name.to_owned(), value.to_owned()));
            }
            _ => {
                let (_, value) = fields.last_mut()?;
                write!(value, "\n{line}").unwrap();
            }
        }
    }
    fields.iter_mut().for_each(|(_, value)| *value = value.trim_end_matches(',').to_owned());
    Some(fields)
}

macro_rules! show_fields {
    ($out:expr, $spec:expr, $default:expr; $($field:ident).+ $(, $($more:ident).+)*) => {
        show($out, stringify!($($field).+), &$spec.$($field).+, &$default.$($field).+);
        $(show($out, stringify!($($more).+), &$spec.$($more).+, &$default.$($more).+);)*
    };
}

fn show_unit(spec: &UnitSpec) -> String {
    let mut text = String::new();
    let out = &mut text;
    let default = UnitSpec::new(spec.name.clone(), KindSpec::Target);
    show_fields!(out, spec, default; description, documentation, requires, requisite, wants, binds_to, part_of,
        conflicts, after, before, on_failure, on_success, start_limit_interval, start_limit_burst, wanted_by,
        required_by, alias, triggered_by, fleet.nodes, fleet.instances, fleet.start, fleet.strict, fleet.spread,
        fleet.singleton, fleet.gpus, fleet.strategy, fleet.canary, fleet.on_rollout_failure, fleet.max_parallel,
        fleet.min_healthy, fleet.health_deadline, fleet.files, fleet.files_change, health.check, health.exec, health.grpc, health.interval,
        health.timeout, health.retries, health.start_period);
    for condition in &spec.conditions {
        let flag = |on, name| if on { name } else { "" };
        let flags = flag(condition.trigger, "|").to_owned() + flag(condition.negate, "!");
        let kind = if condition.assert { "assert" } else { "condition" };
        writeln!(out, "{kind}: {}={flags}{}", condition.subject.as_str(), condition.argument).unwrap();
    }
    show_group(out, "details", spec.details.as_deref());
    match &spec.kind {
        KindSpec::Service(service) => show_service(out, service),
        KindSpec::Timer(timer) => show_timer(out, timer),
        KindSpec::Socket(socket) => show_socket(out, socket),
        KindSpec::Target => {}
    }
    for path in spec.delivered.keys() {
        writeln!(out, "delivered: {path}").unwrap();
    }
    for entry in &spec.unenforced {
        writeln!(out, "unenforced: {} ({})", entry.directive, entry.reason.code).unwrap();
    }
    text
}

fn show_service(out: &mut String, spec: &ServiceSpec) {
    let default = ServiceSpec::default();
    writeln!(out, "type: {:?}", spec.service_type).unwrap();
    let commands = [
        ("exec_condition", &spec.exec_condition),
        ("exec_start_pre", &spec.exec_start_pre),
        ("exec_start", &spec.exec_start),
        ("exec_start_post", &spec.exec_start_post),
        ("exec_reload", &spec.exec_reload),
        ("exec_stop", &spec.exec_stop),
        ("exec_stop_post", &spec.exec_stop_post),
    ];
    show_commands(out, &commands);
    show_fields!(out, spec, default; remain_after_exit, pid_file, restart, restart_sec, restart_steps,
        restart_max_delay, timeout_start, timeout_stop, timeout_abort, runtime_max, watchdog, success_exit_status,
        restart_prevent, restart_force, notify_access, kill, exec.user, exec.group, exec.supplementary_groups,
        exec.working_directory, exec.environment, exec.environment_files, exec.pass_environment,
        exec.unset_environment, exec.umask, exec.limits, exec.nice, exec.oom_score_adjust, exec.ignore_sigpipe,
        exec.standard_output, exec.standard_error, exec.syslog_identifier,
        exec.runtime_directory_preserve, exec.search_path, exec.timeout_clean);
    show_group(out, "runtime_directory", Some(&spec.exec.runtime_directory));
    show_group(out, "state_directory", Some(&spec.exec.state_directory));
    show_group(out, "cache_directory", Some(&spec.exec.cache_directory));
    show_group(out, "logs_directory", Some(&spec.exec.logs_directory));
    show_group(out, "configuration_directory", Some(&spec.exec.configuration_directory));
    show_group(out, "scheduling", spec.exec.scheduling.as_deref());
    show_group(out, "streams", spec.exec.streams.as_deref());
    show_group(out, "logging", spec.exec.logging.as_deref());
    show_group(out, "credentials", spec.exec.credentials.as_deref());
    show_group(out, "isolation", spec.exec.isolation.as_deref());
    show_group(out, "resources", spec.resources.as_deref());
    show_group(out, "details", spec.details.as_deref());
}

fn show_commands(out: &mut String, commands: &[(&str, &Vec<ExecCommand>)]) {
    for (field, commands) in commands {
        for command in *commands {
            let flag = |on, name| if on { name } else { "" };
            let flags = flag(command.ignore_failure, " ignore_failure").to_owned()
                + flag(command.no_expansion, " no_expansion")
                + flag(command.privileged, " privileged")
                + flag(command.shell, " shell");
            writeln!(out, "{field}: {} {:?}{flags}", command.program, command.argv).unwrap();
        }
    }
}

fn show_timer(out: &mut String, spec: &TimerSpec) {
    for trigger in &spec.triggers {
        match trigger {
            TimerTrigger::Calendar(event) => writeln!(out, "elapses: {event}").unwrap(),
            other => writeln!(out, "elapses: {other:?}").unwrap(),
        }
    }
    show(out, "unit", &spec.unit.as_ref().map(ToString::to_string), &None);
    show_fields!(out, spec, TimerSpec::default(); on_clock_change, on_timezone_change, accuracy, randomized_delay,
        randomized_offset, fixed_random_delay, defer_reactivation, persistent, wake_system, remain_after_elapse);
}

fn show_socket(out: &mut String, spec: &SocketSpec) {
    for listen in &spec.listen {
        writeln!(out, "listen: {listen:?}").unwrap();
    }
    show(out, "service", &spec.service.as_ref().map(ToString::to_string), &None);
    show_commands(
        out,
        &[
            ("exec_start_pre", &spec.exec_start_pre),
            ("exec_start_post", &spec.exec_start_post),
            ("exec_stop_pre", &spec.exec_stop_pre),
            ("exec_stop_post", &spec.exec_stop_post),
        ],
    );
    show_fields!(out, spec, SocketSpec::default(); accept, file_descriptor_name, symlinks, user, group, socket_mode,
        directory_mode, remove_on_stop, flush_pending, writable, max_connections, max_connections_per_source,
        trigger_limit, poll_limit, defer_trigger, defer_trigger_max, timeout, pass_descriptors, attributes, kill, exec.user, exec.group, exec.working_directory, exec.environment,
        options.backlog, options.bind_ipv6_only, options.bind_to_device, options.keep_alive, options.keep_alive_time,
        options.keep_alive_interval, options.keep_alive_probes, options.defer_accept, options.no_delay,
        options.reuse_port, options.free_bind, options.transparent, options.broadcast, options.pass_credentials,
        options.pass_security, options.pass_packet_info, options.priority, options.ip_ttl, options.mark,
        options.receive_buffer, options.send_buffer, options.pipe_size, options.pass_pidfd,
        options.accept_descriptors, options.selinux_context_from_net, options.protocol, options.timestamping,
        options.smack_label, options.smack_label_in, options.smack_label_out, options.ip_tos, options.tcp_congestion,
        options.message_queue_max_messages, options.message_queue_message_size);
}

fn outcome(case: &Case) -> String {
    let name = case.name.parse().expect("load names a unit");
    let context = Context { environment: "test".parse().unwrap(), host: case.host.clone() };
    let loaded = load(&name, &case.bundle, &context);
    let mut text = loaded.spec.as_ref().map_or(String::new(), show_unit);
    for diagnostic in &loaded.diagnostics {
        writeln!(text, "{diagnostic}").unwrap();
    }
    assert_eq!(loaded.spec.is_none(), loaded.diagnostics.iter().any(|d| d.is_error()), "a unit, or an error");
    text
}

#[test]
fn every_case_of_testdata_spec_comes_out_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/spec");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "the cases are gone");
    let mut wrong = Vec::new();
    for path in paths {
        let case = parse(&std::fs::read_to_string(&path).unwrap());
        let actual = outcome(&case);
        if actual.trim_end() != case.expected.trim_end() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            wrong.push(format!("==== {name}, expected:\n{}==== came out:\n{actual}", case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
