//! One line of a unit's log, for people (`node/unit` in a stable colour, then the line) and for programs.

use crate::output::time::{local, rfc3339};
use crate::output::view::some;
use crate::output::{Output, Paint, escape, json};
use base64::Engine as _;
use fleet_proto::v1;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Line<'a> {
    time: Option<String>,
    node: &'a str,
    unit: &'a str,
    stream: &'static str,
    sequence: u64,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_base64: Option<String>,
    boot_id: &'a str,
    invocation_id: Option<String>,
}

/// `lines` as `-o` wants them, each with its newline. Into a pipe the message's bytes go as they are.
pub(crate) fn render(lines: &[v1::LogLine], output: &Output) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lines.len() * 128);
    for line in lines {
        match output.is_json() {
            true => bytes.extend_from_slice(object(line).as_bytes()),
            false => for_people(&mut bytes, line, output),
        }
        bytes.push(b'\n');
    }
    bytes
}

fn object(line: &v1::LogLine) -> String {
    let text = String::from_utf8_lossy(&line.message);
    let exact = text.as_bytes() == line.message.as_ref();
    json::line(&Line {
        time: rfc3339(line.time_us),
        node: &line.node,
        unit: &line.unit,
        stream: stream(line.stream),
        sequence: line.sequence,
        message_base64: (!exact).then(|| base64::engine::general_purpose::STANDARD.encode(&line.message)),
        message: text.into_owned(),
        boot_id: &line.boot_id,
        invocation_id: some(line.invocation_id.clone()),
    })
}

fn for_people(bytes: &mut Vec<u8>, line: &v1::LogLine, output: &Output) {
    let stdout = &output.stdout;
    let source = format!("{}/{}", line.node, line.unit.strip_suffix(".service").unwrap_or(&line.unit));
    let head = [
        stdout.paint(Paint::Faint, &local(line.time_us)),
        " ".to_owned(),
        stdout.show(Paint::shade_of(&source), &source),
        stdout.paint(Paint::Faint, if line.stream == i32::from(v1::LogStream::Fleet) { " * " } else { " | " }),
    ];
    head.iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
    if !stdout.terminal {
        bytes.extend_from_slice(&line.message);
        return;
    }
    bytes.extend_from_slice(escape::escape_bytes(&line.message).as_bytes());
}

fn stream(value: i32) -> &'static str {
    match v1::LogStream::try_from(value) {
        Ok(v1::LogStream::Stdout) => "stdout",
        Ok(v1::LogStream::Stderr) => "stderr",
        Ok(v1::LogStream::Fleet) => "fleet",
        Ok(v1::LogStream::Unspecified) | Err(_) => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Stream};

    fn line(message: &'static [u8]) -> v1::LogLine {
        v1::LogLine {
            time_us: 1_700_000_000_000_042,
            node: "develop-1".into(),
            unit: "web.service".into(),
            stream: v1::LogStream::Stderr.into(),
            sequence: 7,
            message: message.into(),
            boot_id: "b".repeat(32),
            invocation_id: "c".repeat(32),
        }
    }

    fn parsed(message: &'static [u8]) -> serde_json::Value {
        serde_json::from_str(&object(&line(message))).unwrap()
    }

    #[test]
    fn a_json_line_has_the_fields_of_the_contract() {
        let value = parsed(b"hello \x1b[1m");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["time"], "2023-11-14T22:13:20.000042Z");
        assert_eq!((&value["stream"], &value["sequence"]), (&"stderr".into(), &7.into()));
        assert_eq!(value["message"], "hello \x1b[1m");
        assert!(value.get("message_base64").is_none());
    }

    #[test]
    fn bytes_that_are_not_utf8_come_twice_replaced_and_exact() {
        let value = parsed(b"a\xffb");
        assert_eq!(value["message"], "a\u{fffd}b");
        assert_eq!(value["message_base64"], "Yf9i");
        // A line that holds U+FFFD itself is UTF-8.
        assert!(parsed("a\u{fffd}b".as_bytes()).get("message_base64").is_none());
    }

    #[test]
    fn a_pipe_gets_the_bytes_and_a_terminal_their_escapes() {
        let terminal = Stream { terminal: true, colour: false };
        let mut output = Output { format: Format::Table, stdout: Stream::PIPE, stderr: Stream::PIPE };
        assert!(render(&[line(b"x\x1b\xff")], &output).ends_with(b"develop-1/web | x\x1b\xff\n"));
        output.stdout = terminal;
        assert!(render(&[line(b"x\x1b\xff")], &output).ends_with(b"develop-1/web | x\\x1b\\xff\n"));
    }
}
