//! `Exec*=` lines: prefixes, program, arguments, several commands in one line (systemd.service(5), "Command lines").

use super::ExecCommand;
use super::merge::Assigned;
use super::reader::Reader;
use crate::diagnostic::codes;
use crate::syntax::words::{Escapes, Words};

/// The commands of all values, in order.
pub(crate) fn commands(reader: &mut Reader<'_>, values: &[Assigned<'_>]) -> Vec<ExecCommand> {
    values.iter().flat_map(|at| line(reader, at)).collect()
}

/// The commands of one line: `;` as a word of its own stands between two.
fn line(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Vec<ExecCommand> {
    let mut words = Words::new(at.value(), Escapes::CRelaxed);
    let mut found = Vec::new();
    while !words.rest().is_empty() {
        match command(reader, at, &mut words) {
            Some(command) => found.push(command),
            None => break,
        }
        while words.take_raw(";") {}
    }
    let key = &at.assignment.key;
    for offset in words.odd_escapes {
        let message = format!("{key}=: an unknown escape stays as it is written");
        reader.warning(codes::UNKNOWN_ESCAPE, at.place(offset), message, "write \\\\ for a backslash");
    }
    found
}

#[derive(Default)]
struct Prefixes {
    ignore_failure: bool,
    own_argv0: bool,
    no_expansion: bool,
    privileged: bool,
    shell: bool,
    length: usize,
}

/// Each prefix counts once, in any order; `!!` has an effect only on kernels without ambient capabilities.
fn prefixes(word: &str) -> Prefixes {
    let mut found = Prefixes::default();
    let mut exclamations = 0;
    for c in word.chars() {
        match c {
            '-' if !found.ignore_failure => found.ignore_failure = true,
            '@' if !found.own_argv0 => found.own_argv0 = true,
            ':' if !found.no_expansion => found.no_expansion = true,
            '|' if !found.shell => found.shell = true,
            '+' if !found.privileged && exclamations == 0 => found.privileged = true,
            '!' if !found.privileged && exclamations < 2 => exclamations += 1,
            _ => break,
        }
        found.length += 1;
    }
    found.privileged |= exclamations == 1;
    found
}

fn command(reader: &mut Reader<'_>, at: &Assigned<'_>, words: &mut Words<'_>) -> Option<ExecCommand> {
    let key = &*at.assignment.key;
    let mut first = next(reader, at, words)?;
    // As systemd does, however it is quoted: nothing stands before this one.
    while first.text == ";" {
        first = next(reader, at, words)?;
    }
    let prefixes = prefixes(&first.text);
    let offset = first.offset + prefixes.length;
    if prefixes.shell {
        return shell_command(reader, at, words, &first, &prefixes);
    }
    let program = reader.expand(at, offset, &first.text[prefixes.length..])?;
    check_program(reader, at, offset, &program)?;
    let mut argv = Vec::new();
    if prefixes.own_argv0 {
        if words.rest().is_empty() {
            let message = format!("{key}=: with the prefix @ a name for the process must follow the program");
            reader.error(codes::BAD_COMMAND, at.place(first.offset), message, "");
            return None;
        }
    } else {
        argv.push(program.clone());
    }
    argv.extend(arguments(reader, at, words)?);
    Some(ExecCommand {
        program,
        argv,
        ignore_failure: prefixes.ignore_failure,
        no_expansion: prefixes.no_expansion,
        privileged: prefixes.privileged,
        shell: false,
    })
}

/// `|` (systemd.service(5)): a shell runs the words that follow, joined; alone it is a shell that reads its input.
/// Behind an `@` it is a login shell.
fn shell_command(
    reader: &mut Reader<'_>,
    at: &Assigned<'_>,
    words: &mut Words<'_>,
    first: &crate::syntax::Word,
    prefixes: &Prefixes,
) -> Option<ExecCommand> {
    let beginning = reader.expand(at, first.offset + prefixes.length, &first.text[prefixes.length..])?;
    let rest = arguments(reader, at, words)?;
    let mut argv = vec![if prefixes.own_argv0 { "-sh" } else { "sh" }.to_owned()];
    if !beginning.is_empty() {
        let line: Vec<String> = std::iter::once(beginning).chain(rest).collect();
        argv.extend(["-c".to_owned(), line.join(" ")]);
    } else {
        argv.extend(rest);
    }
    let directive = format!("{}=|", at.assignment.key);
    reader.unenforced(directive, "not-built-yet", "/bin/sh runs the line, whatever shell the user has");
    Some(ExecCommand {
        program: "/bin/sh".to_owned(),
        argv,
        ignore_failure: prefixes.ignore_failure,
        no_expansion: prefixes.no_expansion,
        privileged: prefixes.privileged,
        shell: true,
    })
}

/// The words up to the next command.
fn arguments(reader: &mut Reader<'_>, at: &Assigned<'_>, words: &mut Words<'_>) -> Option<Vec<String>> {
    let mut argv = Vec::new();
    loop {
        let rest = words.rest();
        if rest.is_empty() || rest == ";" || rest.starts_with("; ") || rest.starts_with(";\t") {
            return Some(argv);
        }
        if words.take_raw("\\;") {
            argv.push(";".to_owned());
            continue;
        }
        let word = next(reader, at, words)?;
        argv.push(reader.expand(at, word.offset, &word.text)?);
    }
}

fn next(reader: &mut Reader<'_>, at: &Assigned<'_>, words: &mut Words<'_>) -> Option<crate::syntax::Word> {
    match words.next()? {
        Ok(word) => Some(word),
        Err(error) => {
            let message = format!("{}=: {}", at.assignment.key, error.message);
            reader.error(codes::BAD_QUOTING, at.place(error.offset), message, "");
            None
        }
    }
}

/// Absolute, or a bare name that is looked up in the search path.
fn check_program(reader: &mut Reader<'_>, at: &Assigned<'_>, offset: usize, program: &str) -> Option<()> {
    let relative = (program.contains('/') || program == "." || program == "..") && !program.starts_with('/');
    let (problem, hint) = if program.is_empty() {
        ("a program is missing", "")
    } else if program.chars().any(char::is_control) {
        ("the program's path holds a control character", "")
    } else if program.contains(['"', '\'', '\\']) {
        ("the program's path holds a quote or a backslash", "systemd refuses such a path too")
    } else if program.ends_with('/') {
        ("the program's path ends with a slash: that is a folder", "")
    } else if relative && !reader.is_open(program) {
        ("the program must be an absolute path or a bare name", "programs are looked up without a working directory")
    } else {
        return Some(());
    };
    reader.error(codes::BAD_COMMAND, at.place(offset), format!("{}=: {problem}", at.assignment.key), hint);
    None
}
