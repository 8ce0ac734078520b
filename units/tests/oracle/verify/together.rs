//! Settings that are fine alone: whether systemd refuses the unit for what they say together (`service_verify`,
//! `socket_verify`, `timer_verify`), and whether Fleet does.

use super::judge::{self, UnitFile};
use crate::{Random, assert_none, of_each_seed};

/// Combinations of each kind and seed.
const COMBINATIONS: usize = 400;
/// Settings of one combination, at most.
const SETTINGS: usize = 6;

/// Suffix, section, and settings; those that begin with a section go there. The number of the combination replaces `#`:
/// no two units may have one name on the bus.
const KINDS: [(&str, &str, &[&str]); 3] = [
    (
        "service",
        "Service",
        &[
            "ExecStart=/bin/true",
            "ExecStart=/bin/false",
            "ExecStart=",
            "ExecStop=/bin/true",
            "ExecStartPre=/bin/true",
            "Type=oneshot",
            "Type=simple",
            "Type=forking",
            "Type=notify",
            "Type=dbus",
            "BusName=org.example.App#",
            "RemainAfterExit=yes",
            "Restart=always",
            "Restart=on-success",
            "Restart=on-failure",
            "RestartForceExitStatus=1",
            "RestartForceExitStatus=",
            "RestartPreventExitStatus=1",
            "ExitType=cgroup",
            "ExitType=main",
            "PAMName=login",
            "KillMode=mixed",
            "KillMode=process",
            "KillMode=control-group",
            "NotifyAccess=none",
            "WatchdogSec=5",
            "RuntimeMaxSec=5",
            "PIDFile=/run/a.pid",
            "[Unit]SuccessAction=none",
            "[Unit]SuccessAction=reboot",
            "[Unit]FailureAction=reboot",
        ],
    ),
    (
        "socket",
        "Socket",
        &[
            "ListenStream=/run/a",
            "ListenStream=80",
            "ListenStream=",
            "ListenDatagram=/run/b",
            "ListenSequentialPacket=/run/c",
            "ListenFIFO=/run/d",
            "ListenSpecial=/dev/null",
            "ListenNetlink=audit",
            "ListenMessageQueue=/q",
            "Accept=yes",
            "Accept=no",
            "MaxConnections=0",
            "MaxConnections=5",
            "MaxConnectionsPerSource=0",
            "Service=a.service",
            "Symlinks=/run/l",
            "Symlinks=",
            "PAMName=login",
            "KillMode=mixed",
            "KillMode=control-group",
            "FlushPending=yes",
        ],
    ),
    (
        "timer",
        "Timer",
        &[
            "OnCalendar=daily",
            "OnCalendar=",
            "OnBootSec=5",
            "OnBootSec=",
            "OnUnitActiveSec=5",
            "OnClockChange=yes",
            "OnClockChange=no",
            "OnTimezoneChange=yes",
            "Persistent=yes",
            "Unit=a.service",
        ],
    ),
];

fn combination(index: usize, random: &mut Random) -> UnitFile {
    let (suffix, section, settings) = KINDS[index % KINDS.len()];
    let mut text = String::new();
    for _ in 0..=random.below(SETTINGS) {
        let setting = random.of(settings);
        let (place, setting) = setting.strip_prefix("[Unit]").map_or((section, setting), |rest| ("Unit", rest));
        text += &format!("[{place}]\n{}\n", setting.replace('#', &index.to_string()));
    }
    UnitFile { name: format!("t{index}.{suffix}"), text }
}

#[test]
fn settings_together_are_refused_where_systemd_refuses_them() {
    let mut numbers = 0..;
    let one = |random: &mut Random| combination(numbers.next().unwrap_or_default(), random);
    let files = of_each_seed(COMBINATIONS * KINDS.len(), one);
    let test = "settings_together_are_refused_where_systemd_refuses_them";
    let Some(judged) = judge::both_of_units(test, &files) else { return };
    let mut unknown = Vec::new();
    for (file, [theirs, ours]) in files.iter().zip(judged) {
        if theirs.is_some() != ours.is_some() {
            unknown.push(format!("{}: systemd {theirs:?}, fleet {ours:?}:\n{}", file.name, file.text));
        }
    }
    assert_none(&unknown);
}
