//! Resource limits of a process (setrlimit(2)), by the names unit files use after `Limit`.

use std::io;

/// The value that stands for "no limit".
pub const INFINITY: u64 = u64::MAX;

/// Name and number of every limit there is.
const RESOURCES: [(&str, libc::__rlimit_resource_t); 16] = [
    ("CPU", libc::RLIMIT_CPU),
    ("FSIZE", libc::RLIMIT_FSIZE),
    ("DATA", libc::RLIMIT_DATA),
    ("STACK", libc::RLIMIT_STACK),
    ("CORE", libc::RLIMIT_CORE),
    ("RSS", libc::RLIMIT_RSS),
    ("NOFILE", libc::RLIMIT_NOFILE),
    ("AS", libc::RLIMIT_AS),
    ("NPROC", libc::RLIMIT_NPROC),
    ("MEMLOCK", libc::RLIMIT_MEMLOCK),
    ("LOCKS", libc::RLIMIT_LOCKS),
    ("SIGPENDING", libc::RLIMIT_SIGPENDING),
    ("MSGQUEUE", libc::RLIMIT_MSGQUEUE),
    ("NICE", libc::RLIMIT_NICE),
    ("RTPRIO", libc::RLIMIT_RTPRIO),
    ("RTTIME", libc::RLIMIT_RTTIME),
];

/// A soft and a hard limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// What applies.
    pub soft: u64,
    /// What the process may raise it to.
    pub hard: u64,
}

impl Pair {
    /// As much of it as fits under `ceiling`.
    fn under(self, ceiling: u64) -> Self {
        Self { soft: self.soft.min(ceiling), hard: self.hard.min(ceiling) }
    }
}

fn number(resource: &str) -> io::Result<libc::__rlimit_resource_t> {
    let found = RESOURCES.iter().find(|(name, _)| *name == resource);
    found.map(|(_, number)| *number).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
}

/// This process's limits for a resource such as `NOFILE`.
///
/// # Errors
/// When there is no such resource.
pub fn get(resource: &str) -> io::Result<Pair> {
    let number = number(resource)?;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit to write to.
    if unsafe { libc::getrlimit(number, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pair { soft: limit.rlim_cur, hard: limit.rlim_max })
}

/// Sets this process's limits for a resource.
///
/// # Errors
/// `EPERM` when the hard limit may not be raised; `EINVAL` when there is no such resource or soft is above hard.
pub fn set(resource: &str, limit: Pair) -> io::Result<()> {
    let number = number(resource)?;
    let limit = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
    // SAFETY: `limit` is a valid rlimit to read from.
    if unsafe { libc::setrlimit(number, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets the limits, or as much of them as the hard limit allows, as systemd does. `Some` says what applies instead.
///
/// # Errors
/// When there is no such resource, or the limit makes no sense.
pub fn set_allowed(resource: &str, limit: Pair) -> io::Result<Option<String>> {
    let refused = match set(resource, limit) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => error,
        other => return other.map(|()| None),
    };
    let allowed = limit.under(get(resource)?.hard);
    set(resource, allowed)?;
    let applies = if allowed.soft == INFINITY { "infinity".to_owned() } else { allowed.soft.to_string() };
    Ok(Some(format!("Limit{resource}: not allowed ({refused}), {applies} applies")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_resource_is_refused() {
        assert_eq!(get("FILES").unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn a_limit_is_cut_to_the_ceiling() {
        assert_eq!(Pair { soft: 5, hard: INFINITY }.under(10), Pair { soft: 5, hard: 10 });
        assert_eq!(Pair { soft: INFINITY, hard: INFINITY }.under(10), Pair { soft: 10, hard: 10 });
    }
}
