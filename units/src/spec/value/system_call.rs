//! Filters of system calls and file systems: names and groups that are allowed, or alone are not
//! (systemd.exec(5): `SystemCallFilter=`, `SystemCallLog=`, `RestrictFileSystems=`).

use super::number::unsigned;
use std::collections::HashSet;
use std::sync::LazyLock;

/// A filter as its lines say it. Groups stay as written: whoever applies it knows their members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Whether only what is named is allowed; decided by the first line.
    pub allow: bool,
    /// In order; a later rule about the same name wins.
    pub rules: Vec<FilterRule>,
}

/// One name of a [`Filter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterRule {
    /// A system call, a file system, or a group such as `@system-service`.
    pub name: String,
    /// Whether it stands behind a `~`.
    pub invert: bool,
    /// What a forbidden call gives; `None` is `SystemCallErrorNumber=`.
    pub error: Option<SystemCallError>,
}

/// What a forbidden system call gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemCallError {
    /// The process is killed.
    Kill,
    /// errno(3)
    Errno(u16),
}

/// The groups of systemd.
pub const GROUPS: &[&str] = &[
    "@aio",
    "@basic-io",
    "@chown",
    "@clock",
    "@cpu-emulation",
    "@debug",
    "@default",
    "@file-system",
    "@io-event",
    "@ipc",
    "@keyring",
    "@known",
    "@memlock",
    "@module",
    "@mount",
    "@network-io",
    "@obsolete",
    "@pkey",
    "@privileged",
    "@process",
    "@raw-io",
    "@reboot",
    "@resources",
    "@sandbox",
    "@setuid",
    "@signal",
    "@swap",
    "@sync",
    "@system-service",
    "@timer",
];

/// The system calls that have a name, on any architecture.
static CALLS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("system_calls.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// Whether `name` is a system call, or a group of them. Those of newer kernels are not.
#[must_use]
pub fn is_call_or_group(name: &str) -> bool {
    if name.starts_with('@') { GROUPS.contains(&name) } else { CALLS.contains(name) }
}

/// The groups of file systems that systemd knows (`RestrictFileSystems=`).
pub const FILE_SYSTEM_GROUPS: &[&str] = &[
    "@anonymous",
    "@application",
    "@auxiliary-api",
    "@basic-api",
    "@common-block",
    "@historical-block",
    "@known",
    "@network",
    "@privileged-api",
    "@security",
    "@temporary",
];

/// `NAME` or `NAME:ERROR`. An error of its own is for calls that are denied.
///
/// # Errors
/// An unknown error, and one for an allowed call.
pub fn system_call(word: &str, invert: bool) -> Result<FilterRule, String> {
    let (name, error) = word.split_once(':').map_or((word, None), |(name, error)| (name, Some(error)));
    if name.is_empty() {
        return Err(format!("{word:?} names no system call"));
    }
    if error.is_some() && !invert {
        return Err(format!("{word:?}: calls that are allowed have no error; it belongs behind a ~"));
    }
    let error = error.map(|error| system_call_error(error, true)).transpose()?;
    Ok(FilterRule { name: name.to_owned(), invert, error })
}

/// `kill`, a name of errno(3) in any case, or a number up to 4095.
///
/// # Errors
/// Anything else; 0 unless `zero`.
pub fn system_call_error(text: &str, zero: bool) -> Result<SystemCallError, String> {
    if text == "kill" {
        return Ok(SystemCallError::Kill);
    }
    let number = match unsigned(text).map(u16::try_from) {
        Some(number) => number.ok().filter(|number| *number <= 4095 && (zero || *number > 0)),
        None => errno(text),
    };
    number
        .map(SystemCallError::Errno)
        .ok_or_else(|| format!("{text:?} is neither kill nor an error such as EPERM or 1"))
}

/// The number of a name of errno(3), as on most architectures of Linux.
fn errno(name: &str) -> Option<u16> {
    let aliases = [("EWOULDBLOCK", 11), ("EDEADLK", 35), ("EOPNOTSUPP", 95), ("EHWPOISON", 133)];
    let alias = aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, number)| *number);
    let position = || ERRNO.iter().position(|known| !known.is_empty() && known.eq_ignore_ascii_case(name));
    alias.or_else(|| position().and_then(|position| u16::try_from(position + 1).ok()))
}

/// From 1; empty where there is none.
const ERRNO: [&str; 132] = [
    "EPERM",
    "ENOENT",
    "ESRCH",
    "EINTR",
    "EIO",
    "ENXIO",
    "E2BIG",
    "ENOEXEC",
    "EBADF",
    "ECHILD",
    "EAGAIN",
    "ENOMEM",
    "EACCES",
    "EFAULT",
    "ENOTBLK",
    "EBUSY",
    "EEXIST",
    "EXDEV",
    "ENODEV",
    "ENOTDIR",
    "EISDIR",
    "EINVAL",
    "ENFILE",
    "EMFILE",
    "ENOTTY",
    "ETXTBSY",
    "EFBIG",
    "ENOSPC",
    "ESPIPE",
    "EROFS",
    "EMLINK",
    "EPIPE",
    "EDOM",
    "ERANGE",
    "EDEADLOCK",
    "ENAMETOOLONG",
    "ENOLCK",
    "ENOSYS",
    "ENOTEMPTY",
    "ELOOP",
    "",
    "ENOMSG",
    "EIDRM",
    "ECHRNG",
    "EL2NSYNC",
    "EL3HLT",
    "EL3RST",
    "ELNRNG",
    "EUNATCH",
    "ENOCSI",
    "EL2HLT",
    "EBADE",
    "EBADR",
    "EXFULL",
    "ENOANO",
    "EBADRQC",
    "EBADSLT",
    "",
    "EBFONT",
    "ENOSTR",
    "ENODATA",
    "ETIME",
    "ENOSR",
    "ENONET",
    "ENOPKG",
    "EREMOTE",
    "ENOLINK",
    "EADV",
    "ESRMNT",
    "ECOMM",
    "EPROTO",
    "EMULTIHOP",
    "EDOTDOT",
    "EBADMSG",
    "EOVERFLOW",
    "ENOTUNIQ",
    "EBADFD",
    "EREMCHG",
    "ELIBACC",
    "ELIBBAD",
    "ELIBSCN",
    "ELIBMAX",
    "ELIBEXEC",
    "EILSEQ",
    "ERESTART",
    "ESTRPIPE",
    "EUSERS",
    "ENOTSOCK",
    "EDESTADDRREQ",
    "EMSGSIZE",
    "EPROTOTYPE",
    "ENOPROTOOPT",
    "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT",
    "ENOTSUP",
    "EPFNOSUPPORT",
    "EAFNOSUPPORT",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ENETDOWN",
    "ENETUNREACH",
    "ENETRESET",
    "ECONNABORTED",
    "ECONNRESET",
    "ENOBUFS",
    "EISCONN",
    "ENOTCONN",
    "ESHUTDOWN",
    "ETOOMANYREFS",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EALREADY",
    "EINPROGRESS",
    "ESTALE",
    "EUCLEAN",
    "ENOTNAM",
    "ENAVAIL",
    "EISNAM",
    "EREMOTEIO",
    "EDQUOT",
    "ENOMEDIUM",
    "EMEDIUMTYPE",
    "ECANCELED",
    "ENOKEY",
    "EKEYEXPIRED",
    "EKEYREVOKED",
    "EKEYREJECTED",
    "EOWNERDEAD",
    "ENOTRECOVERABLE",
    "ERFKILL",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names_and_numbers() {
        let errno = |number| Ok(SystemCallError::Errno(number));
        assert_eq!(system_call_error("EPERM", false), errno(1));
        assert_eq!((system_call_error("ENOSYS", false), system_call_error("ERFKILL", false)), (errno(38), errno(132)));
        assert_eq!((system_call_error("EILSEQ", false), system_call_error("EUCLEAN", false)), (errno(84), errno(117)));
        assert_eq!(
            (system_call_error("0", true), system_call_error("kill", false)),
            (errno(0), Ok(SystemCallError::Kill))
        );
        for text in ["", "0", "4096", "EFOO", "-1"] {
            assert!(system_call_error(text, false).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_denied_calls_have_an_error_of_their_own() {
        assert_eq!(system_call("@clock:EPERM", true).unwrap().error, Some(SystemCallError::Errno(1)));
        assert!(system_call("uname:EPERM", false).is_err());
        assert!(system_call(":EPERM", true).is_err() && system_call("uname:EFOO", true).is_err());
    }
}
