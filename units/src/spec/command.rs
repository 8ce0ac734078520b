//! `Exec*=` lines: prefixes, program, arguments, several commands in one line (systemd.service(5), "Command lines").

use super::ExecCommand;
use super::merge::Assigned;
use super::reader::Reader;
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
        reader.warning("unknown-escape", at.place(offset), message, "write \\\\ for a backslash");
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
    let first = next(reader, at, words)?;
    let prefixes = prefixes(&first.text);
    let offset = first.offset + prefixes.length;
    if prefixes.shell {
        let message = format!("{key}=: the prefix | (run by the user's shell) is not supported");
        reader.error("exec-prefix", at.place(first.offset), message, "name the shell: /bin/sh -c '…'");
        return None;
    }
    let program = reader.expand(at, offset, &first.text[prefixes.length..])?;
    check_program(reader, at, offset, &program)?;
    let mut argv = Vec::new();
    if prefixes.own_argv0 {
        if words.rest().is_empty() {
            let message = format!("{key}=: with the prefix @ a name for the process must follow the program");
            reader.error("bad-command", at.place(first.offset), message, "");
            return None;
        }
    } else {
        argv.push(program.clone());
    }
    loop {
        let rest = words.rest();
        if rest.is_empty() || rest == ";" || rest.starts_with("; ") || rest.starts_with(";\t") {
            break;
        }
        if words.take_raw("\\;") {
            argv.push(";".to_owned());
            continue;
        }
        let word = next(reader, at, words)?;
        argv.push(reader.expand(at, word.offset, &word.text)?);
    }
    Some(ExecCommand {
        program,
        argv,
        ignore_failure: prefixes.ignore_failure,
        no_expansion: prefixes.no_expansion,
        privileged: prefixes.privileged,
    })
}

fn next(reader: &mut Reader<'_>, at: &Assigned<'_>, words: &mut Words<'_>) -> Option<crate::syntax::Word> {
    match words.next()? {
        Ok(word) => Some(word),
        Err(error) => {
            let message = format!("{}=: {}", at.assignment.key, error.message);
            reader.error("bad-quoting", at.place(error.offset), message, "");
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
    } else if program.ends_with('/') {
        ("the program's path ends with a slash: that is a folder", "")
    } else if relative && !reader.is_open(program) {
        ("the program must be an absolute path or a bare name", "programs are looked up without a working directory")
    } else {
        return Some(());
    };
    reader.error("bad-command", at.place(offset), format!("{}=: {problem}", at.assignment.key), hint);
    None
}
