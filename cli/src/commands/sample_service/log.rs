//! Log lines: one JSON object each, on stdout, written whole.

use jiff::Timestamp;
use serde_json::Value;
use std::io::Write as _;

/// Writes what one service has to say.
#[derive(Debug)]
pub(super) struct Log {
    name: String,
}

impl Log {
    pub(super) fn new(name: &str) -> Self {
        Log { name: name.to_owned() }
    }

    pub(super) fn info(&self, message: &str, fields: &[(&str, Value)]) {
        self.line("info", message, fields);
    }

    pub(super) fn warn(&self, message: &str, fields: &[(&str, Value)]) {
        self.line("warn", message, fields);
    }

    fn line(&self, level: &str, message: &str, fields: &[(&str, Value)]) {
        let time = format!("{:.6}", Timestamp::now());
        let mut pairs: Vec<(&str, Value)> = vec![("time", time.into()), ("level", level.into())];
        pairs.extend([("service", self.name.clone().into()), ("message", message.into())]);
        pairs.extend(fields.iter().cloned());
        // By hand, because a map would sort the keys, and people read these lines.
        let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let text = format!("{{{}}}\n", pairs.join(","));
        // Nobody is left to be told when stdout is closed, and that is no reason to stop serving.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}
