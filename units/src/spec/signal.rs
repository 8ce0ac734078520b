//! Names of signals and of exit statuses (signal(7); systemd.exec(5), "Process Exit Codes").

use super::value::number::{signed, unsigned};

/// Linux's numbers on x86, arm and riscv.
const SIGNALS: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];
/// `SIGRTMIN` and `SIGRTMAX` as glibc gives them to programs.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// Exit statuses with a name.
const EXITS: &[(&str, i32)] = &[
    ("SUCCESS", 0),
    ("FAILURE", 1),
    ("INVALIDARGUMENT", 2),
    ("NOTIMPLEMENTED", 3),
    ("NOPERMISSION", 4),
    ("NOTINSTALLED", 5),
    ("NOTCONFIGURED", 6),
    ("NOTRUNNING", 7),
    ("USAGE", 64),
    ("DATAERR", 65),
    ("NOINPUT", 66),
    ("NOUSER", 67),
    ("NOHOST", 68),
    ("UNAVAILABLE", 69),
    ("SOFTWARE", 70),
    ("OSERR", 71),
    ("OSFILE", 72),
    ("CANTCREAT", 73),
    ("IOERR", 74),
    ("TEMPFAIL", 75),
    ("PROTOCOL", 76),
    ("NOPERM", 77),
    ("CONFIG", 78),
    ("CHDIR", 200),
    ("NICE", 201),
    ("FDS", 202),
    ("EXEC", 203),
    ("MEMORY", 204),
    ("LIMITS", 205),
    ("OOM_ADJUST", 206),
    ("SIGNAL_MASK", 207),
    ("STDIN", 208),
    ("STDOUT", 209),
    ("CHROOT", 210),
    ("IOPRIO", 211),
    ("TIMERSLACK", 212),
    ("SECUREBITS", 213),
    ("SETSCHEDULER", 214),
    ("CPUAFFINITY", 215),
    ("GROUP", 216),
    ("USER", 217),
    ("CAPABILITIES", 218),
    ("CGROUP", 219),
    ("SETSID", 220),
    ("CONFIRM", 221),
    ("STDERR", 222),
    ("PAM", 224),
    ("NETWORK", 225),
    ("NAMESPACE", 226),
    ("NO_NEW_PRIVILEGES", 227),
    ("SECCOMP", 228),
    ("SELINUX_CONTEXT", 229),
    ("PERSONALITY", 230),
    ("APPARMOR_PROFILE", 231),
    ("ADDRESS_FAMILIES", 232),
    ("RUNTIME_DIRECTORY", 233),
    ("CHOWN", 235),
    ("SMACK_PROCESS_LABEL", 236),
    ("KEYRING", 237),
    ("STATE_DIRECTORY", 238),
    ("CACHE_DIRECTORY", 239),
    ("LOGS_DIRECTORY", 240),
    ("CONFIGURATION_DIRECTORY", 241),
    ("NUMA_POLICY", 242),
    ("CREDENTIALS", 243),
    ("BPF", 245),
    ("KSM", 246),
    ("EXCEPTION", 255),
];

/// A signal by name (`SIGTERM`, `TERM`, `RTMIN+3`) or number from 1 to 64.
///
/// # Errors
/// Anything else.
pub fn signal(text: &str) -> Result<i32, String> {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let by_name = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    let by_number = || signed(text).and_then(|n| i32::try_from(n).ok()).filter(|number| (1..=RTMAX).contains(number));
    by_name.or_else(|| realtime(name)).or_else(by_number).ok_or_else(|| format!("{text:?} is no signal"))
}

fn realtime(name: &str) -> Option<i32> {
    let offset = |rest: &str, sign| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign).and_then(unsigned).and_then(|n| i32::try_from(n).ok()),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => RTMIN.checked_add(offset(rest, '+')?),
        (_, Some(rest)) => RTMAX.checked_sub(offset(rest, '-')?),
        _ => None,
    };
    number.filter(|number| (RTMIN..=RTMAX).contains(number))
}

/// The name of a signal, with `SIG`; numbers without a name are shown as numbers.
#[must_use]
pub fn signal_name(number: i32) -> String {
    match SIGNALS.iter().find(|(_, known)| *known == number) {
        Some((name, _)) => format!("SIG{name}"),
        None if (RTMIN..=RTMAX).contains(&number) => format!("SIGRTMIN+{}", number - RTMIN),
        None => number.to_string(),
    }
}

/// An entry of `SuccessExitStatus=` and its relatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitOrSignal {
    /// An exit status from 0 to 255.
    Exit(i32),
    /// A signal by number.
    Signal(i32),
}

/// An exit status by number from 0 to 255 or by name, or a signal by name.
///
/// # Errors
/// Anything else.
pub fn exit_or_signal(text: &str) -> Result<ExitOrSignal, String> {
    if let Some(number) = unsigned(text) {
        let number = i32::try_from(number).ok().filter(|number| *number <= 255);
        return number.map(ExitOrSignal::Exit).ok_or_else(|| format!("{text:?} is no exit status from 0 to 255"));
    }
    match EXITS.iter().find(|(name, _)| *name == text) {
        Some((_, number)) => Ok(ExitOrSignal::Exit(*number)),
        None => signal(text)
            .map(ExitOrSignal::Signal)
            .map_err(|_| format!("{text:?} is neither an exit status nor a signal")),
    }
}

/// The name of an exit status, if it has one: `203` is `EXEC`.
#[must_use]
pub fn exit_name(status: i32) -> Option<&'static str> {
    EXITS.iter().find(|(_, number)| *number == status).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_with_and_without_sig_and_numbers() {
        for text in ["SIGTERM", "TERM", "15"] {
            assert_eq!(signal(text), Ok(15), "{text}");
        }
        assert_eq!((signal("SIGRTMIN+3"), signal("RTMAX-1"), signal("RTMIN")), (Ok(37), Ok(63), Ok(34)));
        for text in ["", "SIG", "0", "65", "sigterm", "RTMIN+31", "RTMIN-1", "FOO"] {
            assert!(signal(text).is_err(), "{text:?}");
        }
        assert_eq!((signal_name(15).as_str(), signal_name(37).as_str()), ("SIGTERM", "SIGRTMIN+3"));
    }

    #[test]
    fn exit_statuses_have_names_and_numbers() {
        assert_eq!(exit_or_signal("TEMPFAIL"), Ok(ExitOrSignal::Exit(75)));
        assert_eq!(exit_or_signal("250"), Ok(ExitOrSignal::Exit(250)));
        assert_eq!(exit_or_signal("SIGKILL"), Ok(ExitOrSignal::Signal(9)));
        assert!(exit_or_signal("256").is_err() && exit_or_signal("KILLX").is_err() && exit_or_signal("").is_err());
        assert_eq!(exit_name(203), Some("EXEC"));
    }
}
