//! `EnvironmentFile=` (systemd.exec(5)): `KEY=VALUE` lines with shell-like quotes.

/// The assignments of a file, in order. Lines without `=` and with names that are none are skipped, as systemd does.
#[must_use]
pub(crate) fn parse(text: &str) -> Vec<(String, String)> {
    let mut assignments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if line.starts_with(['#', ';']) {
            rest = line.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let Some(end) = line.find(['=', '\n']) else { break };
        let (key, after) = (line[..end].trim(), &line[end + 1..]);
        if line.as_bytes()[end] == b'\n' {
            rest = after;
            continue;
        }
        let (value, left) = value(after);
        rest = left;
        if is_name(key) {
            assignments.push((key.to_owned(), value));
        }
    }
    assignments
}

fn is_name(key: &str) -> bool {
    !key.is_empty()
        && !key.starts_with(|first: char| first.is_ascii_digit())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// One value, and what follows its line. Quotes may span lines; outside of them a backslash takes the next character
/// as it is and joins lines, and white space at the end is dropped.
fn value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut solid = 0; // length up to which nothing is dropped at the end
    let mut chars = text.trim_start_matches([' ', '\t']).char_indices();
    let start = text.len() - text.trim_start_matches([' ', '\t']).len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => {
                value.truncate(solid.max(value.trim_end().len()));
                return (value, &text[start + at + 1..]);
            }
            '\\' => match chars.next() {
                Some((_, '\n')) | None => {}
                Some((_, other)) => value.push(other),
            },
            '\'' => value.extend(chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '\'')),
            '"' => double_quoted(&mut chars, &mut value),
            other => {
                value.push(other);
                continue; // only what was quoted or escaped is solid
            }
        }
        solid = value.len();
    }
    value.truncate(solid.max(value.trim_end().len()));
    (value, "")
}

fn double_quoted(chars: &mut std::str::CharIndices<'_>, value: &mut String) {
    while let Some((_, c)) = chars.next() {
        match c {
            '"' => return,
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\' | '`' | '$'))) => value.push(escaped),
                Some((_, '\n')) | None => {}
                Some((_, other)) => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<String> {
        parse(text).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn plain_quoted_and_continued_values_are_read() {
        let text = "# c\n; d\nA=1  \n B = two words \nC='x # y' \nD=\"a\\\"b\nc\"\nE=a\\\nb\nF=\n";
        assert_eq!(pairs(text), ["A=1", "B=two words", "C=x # y", "D=a\"b\nc", "E=ab", "F="]);
    }

    #[test]
    fn lines_that_assign_nothing_are_skipped() {
        assert_eq!(pairs("nonsense\n1X=2\nexport Y=3\nZ=4"), ["Z=4"]);
    }
}
