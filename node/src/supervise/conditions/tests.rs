//! Every condition that is built, once as it holds on this host and once as it does not; and the same beside systemd.

use super::*;
use fleet_units::conditions::Verdict;
use fleet_units::spec::keyword::{Keyword as _, keyword};
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

fn condition(subject: Subject, argument: &str) -> Condition {
    Condition { assert: false, trigger: false, negate: false, subject, argument: argument.to_owned() }
}

fn is_met(subject: Subject, argument: &str) -> bool {
    let judgement = check(&[condition(subject, argument)]);
    assert_eq!(judgement.unanswered, [], "{}={argument}", subject.as_str());
    judgement.verdict == Verdict::Met
}

/// A folder with one of everything that a path can be.
fn playground() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("full"), "x").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    std::fs::write(at("program"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(at("program"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(at("nothing")).unwrap();
    std::fs::write(at("nothing/.hidden"), "").unwrap();
    std::fs::write(at("nothing/x.bak"), "").unwrap();
    symlink("full", at("link")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    folder
}

/// (subject, what holds, what does not) of paths below `root`.
fn of_paths(root: &Path) -> Vec<(Subject, String, String)> {
    let at = |name: &str| root.join(name).to_string_lossy().into_owned();
    vec![
        (Subject::PathExists, at("link"), at("broken")),
        (Subject::PathExistsGlob, at("{fu,xx}*"), at("x*")),
        (Subject::PathIsDirectory, at("nothing"), at("full")),
        (Subject::PathIsSymbolicLink, at("broken"), at("full")),
        (Subject::PathIsMountPoint, "/proc".into(), at("nothing")),
        (Subject::PathIsReadWrite, at("full"), at("missing")),
        (Subject::PathIsSocket, at("socket"), at("full")),
        (Subject::DirectoryNotEmpty, root.to_string_lossy().into_owned(), at("nothing")),
        (Subject::FileNotEmpty, at("full"), at("empty")),
        (Subject::FileIsExecutable, at("program"), at("full")),
    ]
}

/// The same of the host, from what other sources say of it.
fn of_host() -> Vec<(Subject, String, String)> {
    let out = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().expect("a program that every Linux has");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let kernel = out("uname", &["-r"]);
    let cpus = out("nproc", &["--all"]);
    let id = rustix::process::geteuid().as_raw();
    let (user, group) = (out("id", &["-un"]), out("id", &["-gn"]));
    let mut cases = vec![
        (Subject::Architecture, "native".to_owned(), "s390".to_owned()),
        (Subject::Host, out("uname", &["-n"]), "no-such-host".into()),
        (Subject::KernelVersion, format!("={kernel}"), "<1".into()),
        (Subject::Version, format!("kernel = {kernel}"), "kernel > 1000".into()),
        (Subject::OsRelease, "ID$=*".into(), "ID=no-such-os".into()),
        (Subject::Memory, ">= 16M".into(), "> 100T".into()),
        (Subject::Cpus, format!("<= {cpus}"), format!("> {cpus}")),
        (Subject::Environment, "PATH".into(), "FLEET_NO_SUCH_VARIABLE".into()),
        (Subject::User, user, "no-such-user".into()),
        (Subject::User, id.to_string(), "4294967294".into()),
        (Subject::Group, group, "no-such-group".into()),
        (Subject::KernelModuleLoaded, "kernel".into(), "../module".into()),
        (Subject::KernelCommandLine, host::command_line()[0].clone(), "fleet.no.such.word".into()),
        (Subject::Firmware, firmware_word(true), firmware_word(false)),
    ];
    for (subject, yes) in [(Subject::FirstBoot, host::is_first_boot()), (Subject::AcPower, machine::has_ac_power())] {
        cases.push((subject, yes.to_string(), (!yes).to_string()));
    }
    cases.retain(|(subject, argument, _)| {
        // A kernel without the folder has no module of that name either.
        *subject != Subject::KernelModuleLoaded || Path::new("/sys/module").join(argument).exists()
    });
    cases
}

fn firmware_word(holds: bool) -> String {
    let uefi = Path::new("/sys/firmware/efi").exists();
    if uefi == holds { "uefi".into() } else { "device-tree-compatible(no,such)".into() }
}

#[test]
fn conditions_about_paths_are_met_by_what_the_path_is() {
    let root = playground();
    for (subject, holds, fails) in of_paths(root.path()) {
        assert!(is_met(subject, &holds), "{}={holds}", subject.as_str());
        assert!(!is_met(subject, &fails), "{}={fails}", subject.as_str());
    }
}

#[test]
fn conditions_about_the_host_are_met_by_what_it_is() {
    for (subject, holds, fails) in of_host() {
        let possible = subject != Subject::Firmware || Path::new("/sys/firmware/efi").exists();
        assert!(!possible || is_met(subject, &holds), "{}={holds}", subject.as_str());
        assert!(!is_met(subject, &fails), "{}={fails}", subject.as_str());
    }
}

#[test]
fn an_update_is_needed_until_the_folder_is_as_new_as_usr() {
    if host::command_line().iter().any(|word| word.contains("needs_update")) {
        return println!("SKIP needs_update: the kernel command line decides it");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    assert!(is_met(Subject::NeedsUpdate, &path));
    std::fs::write(folder.path().join(".updated"), "").unwrap();
    assert!(!is_met(Subject::NeedsUpdate, &path));
}

#[test]
fn what_this_host_does_not_tell_is_listed_and_counts_as_met() {
    let asked = [condition(Subject::Security, "cvm"), condition(Subject::MemoryPressure, "no-such.slice:10%")];
    let judgement = check(&asked);
    assert_eq!(judgement.verdict, Verdict::Met);
    let listed: Vec<_> = judgement.unanswered.iter().map(|entry| entry.directive.as_str()).collect();
    assert_eq!(listed, ["ConditionSecurity=cvm", "ConditionMemoryPressure=no-such.slice:10%"]);
}

/// What `systemd-analyze condition` says.
fn systemd_says(subject: Subject, argument: &str) -> bool {
    let expression = format!("Condition{}={argument}", subject.as_str());
    let output = Command::new("systemd-analyze").args(["condition", &expression]).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("Conditions succeeded") || said.contains("Conditions failed"), "{expression}: {said}");
    output.status.success()
}

/// Subjects and arguments whose answer is whatever this host is, each compared with systemd's own.
const ASKED: &str = "
Architecture x86-64|arm64|x86|native
Firmware uefi|device-tree|device-tree-compatible(x,y)
Virtualization yes|no|vm|container|docker|kvm|podman|private-users
Security selinux|apparmor|audit|ima|smack|tomoyo|uefi-secureboot|nonsense
Capability CAP_CHOWN|CAP_SYS_ADMIN|CAP_SYS_RESOURCE|CAP_BPF|CAP_SYS_TIME
CPUFeature fpu|sse2|avx2|fma3|pclmul|osxsave|sha_ni|lm|nonsense
ControlGroupController v1|cpu|memory|pids|io
CPUs 1|2|>=2|<2|!=2|=2|100
Memory 1G|>=4G|<4G|100T
MemoryPressure 90%|90%/10sec|0.01%/5min
CPUPressure 90%|90%/1min
IOPressure 90%|90%/1min
KernelVersion >=5|<5|$=6.*|!$=6.*|6.*|>=4 <7
KernelCommandLine quiet|console|panic=1|root
Environment HOME|PATH|PATH=|NOPE
OSRelease ID=debian|ID!=debian|VERSION_ID>=11|VERSION_ID<11|ID$=deb*
User root|0|@system|nobody|65534
Group 0|root|nogroup|65534
Host *|vm|nope|?*
ACPower yes|no
FirstBoot yes|no
NeedsUpdate /etc|/var|/nope
KernelModuleLoaded loop|kernel|nope
PathIsMountPoint /|/proc|/etc|/proc/self|/nope
PathIsReadWrite /|/proc|/sys|/tmp|/nope
PathIsEncrypted /|/tmp|/nope
PathExistsGlob /et?|/etc/{passwd,nope}|/nope*
DirectoryNotEmpty /etc|/proc|/nope|/etc/passwd
";

#[test]
fn this_host_and_systemd_agree() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return println!("SKIP systemd_analyze_condition: systemd-analyze is not installed");
    }
    let known = Command::new("systemd-analyze").args(["condition", "ConditionKernelModuleLoaded=x"]).output().unwrap();
    let old = String::from_utf8_lossy(&known.stderr).contains("Cannot parse");
    let mut asked: Vec<(Subject, String)> = Vec::new();
    for (name, arguments) in ASKED.lines().filter_map(|line| line.split_once(' ')) {
        let subject = keyword(name).unwrap_or_else(|| panic!("{name} is no subject"));
        asked.extend(arguments.split('|').map(|argument| (subject, argument.to_owned())));
    }
    let root = playground();
    for (subject, holds, fails) in of_paths(root.path()) {
        asked.extend([(subject, holds), (subject, fails)]);
    }
    // Newer than the systemd of Debian 12.
    let newer = [Subject::KernelModuleLoaded, Subject::PathIsSocket];
    asked.retain(|(subject, _)| !old || !newer.contains(subject));
    let differ: Vec<String> = asked
        .iter()
        .filter(|(subject, argument)| is_met(*subject, argument) != systemd_says(*subject, argument))
        .map(|(subject, argument)| format!("Condition{}={argument}", subject.as_str()))
        .collect();
    assert!(differ.is_empty(), "systemd says otherwise of {differ:?}");
}

#[test]
fn every_condition_that_is_built_is_asked_in_these_tests() {
    let root = playground();
    let mut asked: BTreeSet<Subject> = of_paths(root.path()).into_iter().map(|case| case.0).collect();
    asked.extend(of_host().into_iter().map(|case| case.0));
    asked.extend(ASKED.lines().filter_map(|line| keyword::<Subject>(line.split_once(' ')?.0)));
    let built = Subject::ALL.iter().map(|(_, subject)| *subject).filter(|subject| is_built(*subject));
    let missing: Vec<_> = built.filter(|subject| !asked.contains(subject)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
