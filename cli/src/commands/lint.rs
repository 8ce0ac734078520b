//! `fleet lint [PATH|-]…`: what the coordinator would say about the configuration repository, without asking it.

mod deny;
mod report;
pub(crate) mod unenforced;

use crate::args::App;
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::{diagnostic, json};
use crate::source_files::loose::{self, Loose};
use crate::source_files::{Files, folder, git};
use deny::Deny;
use fleet_units::diagnostic::Diagnostic;
use fleet_units::ids::{EnvironmentName, UnitName};
use report::Report;
use std::path::Path;

/// Check a configuration repository, or unit files on their own. Needs no coordinator.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet lint
  fleet lint --rev HEAD~1 -e production
  fleet lint /etc/systemd/system/web.service
  fleet lint --stdin-name backup.timer - < backup.timer
  fleet lint --staged --deny warnings")]
pub(crate) struct Arguments {
    /// The repository's folder; or unit files, a folder of unit files, and - for one on stdin
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<String>,
    /// Only for this environment; default: every one
    #[arg(short, long, env = "FLEET_ENVIRONMENT", value_name = "ENV", hide_env = true)]
    environment: Option<EnvironmentName>,
    /// A commit of the repository instead of its files
    #[arg(long, env = "FLEET_REV", value_name = "REV", hide_env = true, conflicts_with = "staged")]
    rev: Option<String>,
    /// What is staged for the next commit instead of the files
    #[arg(long, env = "FLEET_STAGED", hide_env = true)]
    staged: bool,
    /// What the unit on stdin is called; its suffix says what it is [default: stdin.service]
    #[arg(long, env = "FLEET_STDIN_NAME", value_name = "UNIT", hide_env = true)]
    stdin_name: Option<UnitName>,
    /// Take `warnings`, or findings with this code, as errors
    #[arg(short = 'D', long, env = "FLEET_DENY", value_name = "WHAT", value_delimiter = ',', hide_env = true)]
    deny: Vec<Deny>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let mut report = look(&arguments)?;
    report.deny(&arguments.deny);
    let exit = if report.diagnostics().any(Diagnostic::is_error) { Exit::No } else { Exit::Done };
    if app.output.is_json() {
        json::print(&app.output, &report)?;
        return Ok(exit);
    }
    app.output.write(&report.render(&app.output.stdout))?;
    let noun = if report.files == 1 { "file" } else { "files" };
    let allowed = if report.allowed == 0 { String::new() } else { format!(", {} allowed", report.allowed) };
    app.output.say(&format!("{} {noun}: {}{allowed}", report.files, diagnostic::summary(report.diagnostics())));
    Ok(exit)
}

/// Reads what the command line names, and checks it.
fn look(arguments: &Arguments) -> CommandResult<Report> {
    if arguments.stdin_name.is_some() && !arguments.paths.iter().any(|path| path == "-") {
        return Err(CommandError::usage("--stdin-name says what stdin is, and stdin is not read")
            .hint("name - to read the unit from stdin"));
    }
    let what = if arguments.staged { "--staged" } else { "--rev" };
    match (&arguments.paths[..], arguments.rev.as_deref(), arguments.staged) {
        ([path], Some(_), _) | ([path], None, true) if path == "-" => {
            Err(CommandError::usage(format!("{what} is about a repository, not about stdin")))
        }
        ([path], Some(rev), _) => repository(path, git::commit(Path::new(path), rev)?, arguments),
        // A commit without any unit yet is none to object to.
        ([path], None, true) => Ok(Report::of_repository(git::staged(Path::new(path))?, environment(arguments))),
        ([path], None, false) if folder::is_repository(Path::new(path)) => {
            repository(path, folder::read(Path::new(path))?, arguments)
        }
        (paths, None, false) => loose_units(paths, arguments),
        (_, _, _) => Err(CommandError::usage(format!("{what} is about one repository, not about several paths"))),
    }
}

fn environment(arguments: &Arguments) -> Option<&EnvironmentName> {
    arguments.environment.as_ref()
}

fn repository(path: &str, files: Files, arguments: &Arguments) -> CommandResult<Report> {
    match files.is_empty() {
        false => Ok(Report::of_repository(files, environment(arguments))),
        true => Err(nothing(path)),
    }
}

/// Unit files, folders of unit files, and stdin, each unit on its own.
fn loose_units(paths: &[String], arguments: &Arguments) -> CommandResult<Report> {
    let mut units: Vec<Loose> = Vec::new();
    for path in paths {
        match Path::new(path) {
            path if path.as_os_str() == "-" => {
                let name = arguments.stdin_name.clone();
                let name = name.unwrap_or_else(|| "stdin.service".parse().expect("a unit's name"));
                units.push(loose::stdin(&name)?);
            }
            folder if folder::is_repository(folder) => {
                return Err(CommandError::usage(format!(
                    "{path} is a configuration repository, and not the only path"
                ))
                .hint("lint each repository by itself"));
            }
            folder if folder.is_dir() => match loose::folder(folder)? {
                found if found.is_empty() => return Err(nothing(path)),
                found => units.extend(found),
            },
            file => units.push(loose::file(file)?),
        }
    }
    Ok(Report::of_units(&units))
}

fn nothing(path: &str) -> CommandError {
    CommandError::failed(format!("{path} has neither units/ nor environments/, and no unit files"))
        .hint("name the folder of a configuration repository, or a unit file")
}
