//! `$VAR` and `${VAR}` in command lines (systemd.service(5), "Command lines"; systemd's `replace_env_argv`).

use super::words::{Escapes, split};

/// `argv` with environment variables filled in; `lookup` gives a variable's value.
///
/// `${VAR}` anywhere in a word is replaced by the value as it is. `$VAR` as a whole word becomes zero or more words:
/// the value split at white space, quotes respected. `$$` is a dollar sign. Unset variables are empty.
#[must_use]
pub fn expand<'v>(argv: &[String], lookup: impl Fn(&str) -> Option<&'v str>) -> Vec<String> {
    let mut result = Vec::with_capacity(argv.len());
    for word in argv {
        match word.strip_prefix('$') {
            Some(name) if !name.starts_with(['{', '$']) => result.extend(fields(lookup(name).unwrap_or_default())),
            _ => result.push(braces(word, &lookup)),
        }
    }
    result
}

/// The words of a variable's value; one with unbalanced quotes is split at white space alone.
fn fields(value: &str) -> Vec<String> {
    match split(value, Escapes::Plain) {
        Ok(words) => words.into_iter().map(|word| word.text).collect(),
        Err(_) => value.split_whitespace().map(str::to_owned).collect(),
    }
}

fn braces<'v>(word: &str, lookup: &impl Fn(&str) -> Option<&'v str>) -> String {
    let mut result = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(dollar) = rest.find('$') {
        result.push_str(&rest[..dollar]);
        let behind = &rest[dollar + 1..];
        let braced = behind.strip_prefix('{').and_then(|body| body.split_once('}'));
        rest = match braced {
            Some((name, tail)) if is_name(name) => {
                result.push_str(lookup(name).unwrap_or_default());
                tail
            }
            _ => {
                result.push('$');
                behind.strip_prefix('$').unwrap_or(behind)
            }
        };
    }
    result + rest
}

/// Whether `name` can be the name of an environment variable: letters, digits and `_`, no digit first.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(words: &[&str]) -> Vec<String> {
        let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        expand(&argv, |name| match name {
            "ONE" => Some("one"),
            "TWO" => Some("two  'a b'"),
            "OPEN" => Some("it's  x"),
            _ => None,
        })
    }

    #[test]
    fn the_examples_of_systemd_service_5_come_out() {
        assert_eq!(expanded(&["echo", "$ONE", "$TWO", "${TWO}"]), ["echo", "one", "two", "a b", "two  'a b'"]);
        assert_eq!(
            expanded(&["/bin/echo", "x${ONE}y", "$NONE", "${NONE}", "a$ONE"]),
            ["/bin/echo", "xoney", "", "a$ONE"]
        );
    }

    #[test]
    fn dollars_that_begin_no_variable_stay() {
        assert_eq!(
            expanded(&["$$ONE", "a$$b", "${a-b}", "${ONE", "$", "$OPEN"]),
            ["$ONE", "a$b", "${a-b}", "${ONE", "it's", "x"]
        );
    }
}
