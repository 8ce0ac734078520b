//! The time zone at the end of a calendar event: kept as text, and told from everything else that may stand there.

/// Which zone a calendar event is meant in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Zone {
    /// None is given: that of the host.
    #[default]
    Local,
    /// `UTC`
    Utc,
    /// A name of the tz database: `Europe/Berlin`.
    Named(String),
}

/// The folders of the tz database.
const AREAS: &[&str] = &[
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Brazil",
    "Canada",
    "Chile",
    "Etc",
    "Europe",
    "Indian",
    "Mexico",
    "Pacific",
    "SystemV",
    "US",
    "posix",
    "right",
];

/// The names of the tz database that are in no folder, UTC aside.
const PLAIN: &[&str] = &[
    "CET",
    "CST6CDT",
    "Cuba",
    "EET",
    "EST",
    "EST5EDT",
    "Egypt",
    "Eire",
    "Factory",
    "GB",
    "GB-Eire",
    "GMT",
    "GMT+0",
    "GMT-0",
    "GMT0",
    "Greenwich",
    "HST",
    "Hongkong",
    "Iceland",
    "Iran",
    "Israel",
    "Jamaica",
    "Japan",
    "Kwajalein",
    "Libya",
    "MET",
    "MST",
    "MST7MDT",
    "NZ",
    "NZ-CHAT",
    "Navajo",
    "PRC",
    "PST8PDT",
    "Poland",
    "Portugal",
    "ROC",
    "ROK",
    "Singapore",
    "Turkey",
    "UCT",
    "Universal",
    "W-SU",
    "WET",
    "Zulu",
    "localtime",
    "posixrules",
];

/// Whether `name` can be a zone of the tz database. Of `Area/Place` the area is known, the place is not looked up.
pub(super) fn is_zone(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+".contains(&byte))
    };
    match name.split_once('/') {
        Some((area, place)) => AREAS.contains(&area) && place.len() < 256 && place.split('/').all(plain),
        None => PLAIN.contains(&name),
    }
}
