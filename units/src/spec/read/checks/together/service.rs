//! `[Service]`: systemd.service(5), systemd.exec(5) and systemd.kill(5).

use super::{Facts, Finding, Rule, contradiction, no_effect};
use crate::diagnostic::{Severity, codes};
use crate::spec::{HealthCheck, Restart, ServiceType, health_port, value};

pub(super) const RULES: &[Rule] = &[
    ("RestartMaxDelaySec", restart_max_delay),
    ("RestartSteps", |facts| {
        let lonely = facts.service.restart_steps > 0 && facts.service.restart_max_delay.is_none();
        no_effect(lonely, "RestartSteps= has no effect without RestartMaxDelaySec=", "add RestartMaxDelaySec=")
    }),
    ("RestartPreventExitStatus", |facts| {
        let never = facts.service.restart == Restart::No;
        no_effect(never, "RestartPreventExitStatus= has no effect without Restart=", "add Restart=, or take it away")
    }),
    ("Restart", remain_after_exit),
    ("SuccessExitStatus", |facts| {
        let zero = facts.service.success_exit_status.codes.contains(&0);
        no_effect(zero, "SuccessExitStatus=: 0 always counts as success", "take the 0 away")
    }),
    ("ReloadSignal", |facts| {
        let other = facts.service.service_type != ServiceType::NotifyReload;
        no_effect(other, "ReloadSignal= has no effect without Type=notify-reload", "write ExecReload=, or change Type=")
    }),
    ("FinalKillSignal", |facts| {
        let unsent = !facts.service.kill.send_sigkill;
        no_effect(unsent, "FinalKillSignal= has no effect with SendSIGKILL=no", "take one of the two away")
    }),
    ("WatchdogSec", |facts| {
        let oneshot = facts.service.watchdog.is_some() && facts.service.service_type == ServiceType::Oneshot;
        no_effect(oneshot, "WatchdogSec= has no effect with Type=oneshot: it never runs on", "take it away")
    }),
    ("TimeoutStopSec", zero_timeout),
    ("ExitType", |facts| {
        let whole = facts.value == "cgroup" && facts.service.service_type == ServiceType::Oneshot;
        contradiction(
            whole,
            "ExitType=cgroup and Type=oneshot contradict each other: systemd refuses the unit",
            "take ExitType= away, or write another Type=",
        )
    }),
    ("PAMName", pam_name),
    ("PIDFile", pid_file),
    ("RuntimeDirectoryPreserve", |facts| {
        let lonely = facts.service.exec.runtime_directory.names.is_empty();
        no_effect(lonely, "RuntimeDirectoryPreserve= has no effect without RuntimeDirectory=", "add RuntimeDirectory=")
    }),
    ("RuntimeDirectoryMode", |facts| directory_mode(facts, "RuntimeDirectory")),
    ("StateDirectoryMode", |facts| directory_mode(facts, "StateDirectory")),
    ("CacheDirectoryMode", |facts| directory_mode(facts, "CacheDirectory")),
    ("LogsDirectoryMode", |facts| directory_mode(facts, "LogsDirectory")),
    ("ConfigurationDirectoryMode", |facts| directory_mode(facts, "ConfigurationDirectory")),
    ("CPUSchedulingPriority", |facts| {
        let realtime = facts.says("CPUSchedulingPolicy", "fifo") || facts.says("CPUSchedulingPolicy", "rr");
        let idle = !realtime && facts.value != "0";
        no_effect(idle, "CPUSchedulingPriority= has no effect without CPUSchedulingPolicy=fifo or rr", "take it away")
    }),
    ("NoNewPrivileges", |facts| dynamic_user(facts, "NoNewPrivileges")),
    ("PrivateTmp", |facts| dynamic_user(facts, "PrivateTmp")),
    ("RemoveIPC", |facts| dynamic_user(facts, "RemoveIPC")),
    ("RestrictSUIDSGID", |facts| dynamic_user(facts, "RestrictSUIDSGID")),
    ("PrivateNetwork", private_network),
];

fn restart_max_delay(facts: &Facts<'_>) -> Option<Finding> {
    let service = facts.service;
    let shorter = service.restart_max_delay.is_some_and(|longest| longest < service.restart_sec);
    no_effect(
        service.restart_steps == 0,
        "RestartMaxDelaySec= has no effect without RestartSteps=",
        "add RestartSteps=",
    )
    .or_else(|| no_effect(shorter, "RestartMaxDelaySec= is shorter than RestartSec=", "make it the longer of the two"))
}

/// With `RemainAfterExit=yes` a clean end leaves the service active, and `Restart=` is not asked.
fn remain_after_exit(facts: &Facts<'_>) -> Option<Finding> {
    if !facts.service.remain_after_exit {
        return None;
    }
    let hint = "take RemainAfterExit= away, or write Restart=on-failure";
    match facts.service.restart {
        Restart::OnSuccess => no_effect(
            true,
            "Restart=on-success has no effect: after a clean end RemainAfterExit=yes keeps it active",
            hint,
        ),
        Restart::Always => {
            let message = "Restart=always restarts no clean end: RemainAfterExit=yes keeps the service active then";
            contradiction(true, message, hint)
        }
        Restart::No | Restart::OnFailure | Restart::OnAbnormal | Restart::OnWatchdog | Restart::OnAbort => None,
    }
}

/// 0 has meant "no limit" since before there was `infinity`; for a stop it reads like the opposite. `TimeoutSec=0` is
/// an idiom that nobody misreads.
fn zero_timeout(facts: &Facts<'_>) -> Option<Finding> {
    let zero = value::time_span(facts.value).is_ok_and(|span| span.is_some_and(|span| span.is_zero()));
    (zero && facts.key == "TimeoutStopSec").then(|| Finding {
        severity: Severity::Note,
        code: codes::ZERO_TIMEOUT,
        message: "TimeoutStopSec=0 waits for ever: it does not mean at once".into(),
        hint: "write infinity if that is meant, or a short time",
    })
}

/// What PAM leaves behind for a session's end would outlive the unit (systemd's `service_verify`, `socket_verify`).
fn pam_name(facts: &Facts<'_>) -> Option<Finding> {
    let mode = facts.merged.last("KillMode").map_or("control-group", |at| at.value());
    let fits = mode == "control-group" || (mode == "mixed" && facts.unit.service().is_some());
    let message = format!("PAMName= and KillMode={mode} contradict each other: systemd refuses the unit");
    contradiction(!fits, message, "write KillMode=control-group")
}

fn pid_file(facts: &Facts<'_>) -> Option<Finding> {
    let unread = !matches!(facts.service.service_type, ServiceType::Forking);
    unread.then(|| Finding {
        severity: Severity::Note,
        code: codes::NO_EFFECT,
        message: "PIDFile= is read only with Type=forking; here it is just removed after the stop".into(),
        hint: "take it away, or write Type=forking",
    })
}

fn directory_mode(facts: &Facts<'_>, directory: &'static str) -> Option<Finding> {
    let lonely = !facts.given(directory);
    lonely.then(|| no_effect(true, format!("{directory}Mode= has no effect without {directory}="), "take it away"))?
}

/// What `DynamicUser=yes` implies, whatever is written (systemd.exec(5)).
fn dynamic_user(facts: &Facts<'_>, key: &'static str) -> Option<Finding> {
    let overruled = facts.is_off() && facts.is_yes("DynamicUser");
    overruled.then(|| no_effect(true, format!("{key}=no has no effect: DynamicUser=yes implies it"), "take it away"))?
}

/// Checks are made in the unit's network namespace, and there is nothing but loopback in a private one.
fn private_network(facts: &Facts<'_>) -> Option<Finding> {
    if facts.is_off() || facts.given("JoinsNamespaceOf") {
        return None;
    }
    let asks = match facts.unit.health.check.as_ref()? {
        HealthCheck::Url(_) => "HealthCheckURL",
        HealthCheck::Tcp(_) => "HealthCheckTCP",
    };
    let (host, _) = health_port(facts.unit.health.check.as_ref()?)?;
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let message = format!("{asks}= asks {host}, which PrivateNetwork=yes keeps out of reach");
    contradiction(!local, message, "check 127.0.0.1, or take PrivateNetwork= away")
}
