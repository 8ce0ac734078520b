//! `$VAR` and `${VAR}` in command lines (systemd.service(5), "Command lines").

use std::collections::BTreeMap;

/// The arguments with variables replaced. `${X}` is replaced anywhere in a word; `$X` only as a word of its own, and
/// its value is split at white space into any number of words; `$$` is a dollar sign. Unset variables are empty.
/// `argv[0]` stays as it is.
#[must_use]
pub(super) fn expand(argv: &[String], environment: &BTreeMap<String, String>) -> Vec<String> {
    let mut expanded = Vec::with_capacity(argv.len());
    for (index, word) in argv.iter().enumerate() {
        match (index, lone_variable(word)) {
            (0, _) => expanded.push(word.clone()),
            (_, Some(name)) => {
                let value = environment.get(name).map_or("", String::as_str);
                expanded.extend(value.split_whitespace().map(str::to_owned));
            }
            (_, None) => expanded.push(replace_braced(word, environment)),
        }
    }
    expanded
}

fn lone_variable(word: &str) -> Option<&str> {
    let name = word.strip_prefix('$')?;
    let first = name.bytes().next()?;
    let valid = (first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    valid.then_some(name)
}

fn replace_braced(word: &str, environment: &BTreeMap<String, String>) -> String {
    let mut text = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(left) = after.strip_prefix('$') {
            text.push('$');
            rest = left;
        } else if let Some((name, left)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            text.push_str(environment.get(name).map_or("", String::as_str));
            rest = left;
        } else {
            text.push('$');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[&str]) -> Vec<String> {
        let environment = [("ONE", "1"), ("TWO", "a b"), ("EMPTY", "")];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let argv: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        expand(&argv, &environment)
    }

    #[test]
    fn braces_are_replaced_within_words_and_lone_variables_are_split() {
        assert_eq!(words(&["$ONE", "x${ONE}y", "$TWO", "${TWO}"]), ["$ONE", "x1y", "a", "b", "a b"]);
        assert_eq!(words(&["p", "$EMPTY", "${EMPTY}", "$NONE"]), ["p", ""]);
    }

    #[test]
    fn dollars_that_are_no_variables_stay() {
        assert_eq!(
            words(&["p", "$$ONE", "x=$ONE", "${open", "$1", "a$"]),
            ["p", "$ONE", "x=$ONE", "${open", "$1", "a$"]
        );
    }
}
