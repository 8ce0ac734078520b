//! What becomes of the lines a unit writes (systemd.exec(5), "Logging and standard input/output").

use crate::spec::value::number::unsigned;
use std::time::Duration;

/// `Log*=` and `Syslog*=`; what is `None` or empty was not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogSpec {
    /// `LogLevelMax=`, 0 (emerg) to 7 (debug).
    pub level_max: Option<u8>,
    /// `LogRateLimitIntervalSec=`
    pub rate_interval: Option<Duration>,
    /// `LogRateLimitBurst=`
    pub rate_burst: Option<u32>,
    /// `LogFilterPatterns=`: a line must match one of these, if there are any.
    pub allowed_patterns: Vec<String>,
    /// `LogFilterPatterns=~…`: lines that match are dropped.
    pub denied_patterns: Vec<String>,
    /// `LogNamespace=`
    pub namespace: Option<String>,
    /// `LogExtraFields=`: name and value.
    pub extra_fields: Vec<(String, String)>,
    /// `SyslogFacility=`
    pub facility: Option<u8>,
    /// `SyslogLevel=`
    pub level: Option<u8>,
    /// `SyslogLevelPrefix=`
    pub level_prefix: Option<bool>,
}

/// Names of levels; the position is the number (syslog(3)).
pub const LEVELS: &[&str] = &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Names of facilities; the position is the number (syslog(3)).
pub const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "",
    "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// The number of a name of `names`, or a number up to `most`.
///
/// # Errors
/// Anything else.
pub fn syslog_number(names: &[&str], most: u8, text: &str) -> Result<u8, String> {
    let named = names.iter().position(|name| !name.is_empty() && *name == text).and_then(|n| u8::try_from(n).ok());
    named.or_else(|| unsigned(text).and_then(|n| u8::try_from(n).ok())).filter(|number| *number <= most).ok_or_else(
        || {
            let known: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
            format!("{text:?} is none of {}", known.join(", "))
        },
    )
}

/// Whether `text` is a name of `LogNamespace=`: a file name that can stand in the name of a unit as it is (systemd's
/// `log_namespace_name_valid`).
#[must_use]
pub fn is_namespace(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"@:-_.".contains(&b));
    plain && (1..=255).contains(&text.len()) && text != "." && text != ".."
}

/// `FIELD=value`: a field of the journal.
///
/// # Errors
/// No `=`, and names that are not upper-case letters, digits and underscores.
pub fn log_field(word: &str) -> Result<(String, String), String> {
    let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is no field NAME=value"))?;
    let plain = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let starts = name.starts_with(|c: char| c.is_ascii_uppercase());
    match plain && starts && name.len() <= 64 {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err(format!("{name:?} is no name of a field: it has upper-case letters, digits and _")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_facilities_and_fields_are_checked() {
        assert_eq!((syslog_number(LEVELS, 7, "err"), syslog_number(LEVELS, 7, "6")), (Ok(3), Ok(6)));
        assert_eq!(syslog_number(FACILITIES, 127, "local7"), Ok(23));
        assert!(syslog_number(LEVELS, 7, "8").is_err() && syslog_number(FACILITIES, 127, "").is_err());
        assert_eq!(log_field("A_1=b=c"), Ok(("A_1".to_owned(), "b=c".to_owned())));
        assert!(log_field("_A=b").is_err() && log_field("a=b").is_err() && log_field("A").is_err());
    }
}
