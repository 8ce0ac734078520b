//! JSON: every top-level object and every line begins with `schema: 1`.

use super::Output;
use crate::error::CommandResult;
use serde::Serialize;

/// `body` with the schema's number before its fields.
#[derive(Debug, Serialize)]
struct Versioned<'a, T> {
    schema: u32,
    #[serde(flatten)]
    body: &'a T,
}

/// One line of JSON without its newline; `body` must be a struct or a map.
pub(crate) fn line(body: &impl Serialize) -> String {
    serde_json::to_string(&Versioned { schema: 1, body }).expect("views have text keys and no failing serializer")
}

/// `body` as one object, laid out for reading.
pub(crate) fn pretty(body: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(&Versioned { schema: 1, body })
        .expect("views have text keys and no failing serializer");
    text.push('\n');
    text
}

/// Writes `body` to stdout as one object.
pub(crate) fn print(output: &Output, body: &impl Serialize) -> CommandResult<()> {
    output.write(&pretty(body))
}
