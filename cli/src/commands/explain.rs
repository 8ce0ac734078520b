//! `fleet explain [KEY|SECTION/KEY|CODE]`: what a directive or a diagnostic code means, from the tables themselves.

mod code;
mod directive;
mod sections;

use crate::args::App;
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::output::json;
use fleet_units::diagnostic::codes;
use fleet_units::spec::directives::{self, SPELLINGS};
use serde::Serialize;
use std::collections::BTreeSet;

/// Explain a directive of unit files, or the code of a finding. Needs no coordinator.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet explain PrivateTmp
  fleet explain Unit/StartLimitBurst
  fleet explain unknown-directive
  fleet explain --section X-Fleet")]
pub(crate) struct Arguments {
    /// A key, a section and a key, or the code of a finding; without it the sections are listed
    #[arg(value_name = "KEY|SECTION/KEY|CODE", conflicts_with = "section")]
    word: Option<String>,
    /// List what this section knows
    #[arg(long, env = "FLEET_SECTION", value_name = "SECTION", hide_env = true)]
    section: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, app: &App) -> CommandResult {
    match (&arguments.word, &arguments.section) {
        (Some(word), _) => explain(word, app)?,
        (None, Some(section)) => {
            let section = directives::canonical(section.trim_matches(['[', ']']));
            let rows = sections::rows(section).ok_or_else(|| unknown_section(section))?;
            print(app, &rows, |rows| rows.render(&app.output.stdout))?;
        }
        (None, None) => print(app, &sections::overview(), |view| view.render(&app.output.stdout))?,
    }
    Ok(Exit::Done)
}

fn explain(word: &str, app: &App) -> CommandResult<()> {
    if let Some(view) = code::view(word) {
        return print(app, &view, |view| view.render(&app.output.stdout));
    }
    // As it may be copied from a unit file or a message: `Unit/After=`, `[Unit] After`.
    let plain = word.trim_end_matches('=').replace(['[', ' '], "").replace(']', "/");
    let (section, key) = match plain.split_once('/') {
        Some((section, key)) => (Some(directives::canonical(section)), key),
        None => (None, plain.as_str()),
    };
    match directive::view(section, key) {
        Some(view) => print(app, &view, |view| view.render(&app.output.stdout)),
        None => Err(unknown(section, key)),
    }
}

fn print<T: Serialize>(app: &App, view: &T, text: impl Fn(&T) -> String) -> CommandResult<()> {
    match app.output.is_json() {
        true => json::print(&app.output, view),
        false => app.output.write(&text(view)),
    }
}

fn unknown(section: Option<&str>, key: &str) -> CommandError {
    if let Some(section) = section.filter(|section| sections::rows(section).is_none()) {
        return unknown_section(section);
    }
    let of_section = |at: &str| section.is_none_or(|section| section == at);
    let rows = directives::all().iter().map(|row| (row.section, row.key));
    let spellings = SPELLINGS.iter().map(|spelling| (spelling.section, spelling.key));
    let keys: BTreeSet<&str> = rows.chain(spellings).filter(|(at, _)| of_section(at)).map(|(_, key)| key).collect();
    let elsewhere: BTreeSet<&str> = directives::sections_of(key).collect();
    let error = match section {
        Some(section) => CommandError::failed(format!("[{section}] knows no {key}=")),
        None => CommandError::failed(format!("{key} is no directive, and no code of a finding")),
    };
    if !elsewhere.is_empty() {
        let names: Vec<String> = elsewhere.iter().map(|section| format!("[{section}]")).collect();
        return error.hint(format!("{key}= belongs in {}", names.join(", ")));
    }
    let codes = codes::all().map(|code| code.name).filter(|_| section.is_none());
    error.hint(
        did_you_mean(key, keys.into_iter().chain(codes))
            .unwrap_or_else(|| "`fleet explain --section Service` lists the keys of a section".to_owned()),
    )
}

fn unknown_section(section: &str) -> CommandError {
    let known = sections::names();
    let error = CommandError::failed(format!("there is no section [{section}]"));
    let hint = did_you_mean(section, known.iter().copied());
    error.hint(hint.unwrap_or_else(|| format!("the sections are {}", known.join(", "))))
}
