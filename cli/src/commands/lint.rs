//! `fleet lint [PATH|-]`: what the coordinator would say about the configuration repository, without asking it.

use crate::args::App;
use crate::commands::lint_source::{self, Files};
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::{diagnostic, json};
use fleet_units::diagnostic::Diagnostic;
use fleet_units::fleet::{self, Findings};
use fleet_units::ids::EnvironmentName;
use serde::Serialize;
use std::collections::BTreeSet;

/// The environments a coordinator has unless it is configured otherwise.
const CHAIN: [&str; 4] = ["develop", "test", "staging", "production"];

/// Check a configuration repository, or one unit file. Needs no coordinator.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  fleet lint\n  fleet lint --rev HEAD~1 -e production\n  fleet lint - < web.service"
)]
pub(crate) struct Arguments {
    /// The repository's folder, a unit file, or - for a unit file on stdin
    #[arg(default_value = ".")]
    path: String,
    /// Only for this environment; default: every one
    #[arg(short, long, env = "FLEET_ENVIRONMENT", value_name = "ENV", hide_env = true)]
    environment: Option<EnvironmentName>,
    /// A commit of the repository instead of its files
    #[arg(long, env = "FLEET_REV", value_name = "REV", hide_env = true)]
    rev: Option<String>,
}

#[derive(Debug, Serialize)]
struct Lint {
    files: usize,
    diagnostics: Vec<Diagnostic>,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let files = lint_source::read(&arguments.path, arguments.rev.as_deref())?;
    if files.tree.is_empty() && files.diagnostics.is_empty() {
        return Err(CommandError::failed(format!("{} has neither units/ nor environments/", arguments.path))
            .hint("name the folder of a configuration repository, or a unit file"));
    }
    let findings = check(&files, arguments.environment);
    let allowed = findings.allowed();
    let diagnostics = findings.into_diagnostics();
    let exit = if diagnostics.iter().any(Diagnostic::is_error) { Exit::No } else { Exit::Done };
    if app.output.is_json() {
        json::print(&app.output, &Lint { files: files.tree.len(), diagnostics })?;
        return Ok(exit);
    }
    let render = |item: &Diagnostic| {
        let source = files.tree.get(&item.place.file).map(|file| String::from_utf8_lossy(&file.content));
        diagnostic::render(item, source.as_deref(), "", &app.output.stdout)
    };
    app.output.write(&diagnostics.iter().map(render).collect::<String>())?;
    let count = files.tree.len();
    let noun = if count == 1 { "file" } else { "files" };
    let allowed = if allowed == 0 { String::new() } else { format!(", {allowed} allowed") };
    app.output.say(&format!("{count} {noun}: {}{allowed}", diagnostic::summary(&diagnostics)));
    Ok(exit)
}

/// Everything found, once each, in the order of files and lines.
fn check(files: &Files, environment: Option<EnvironmentName>) -> Findings {
    let mut findings = Findings::default();
    files.diagnostics.iter().cloned().for_each(|item| findings.add(item));
    match environment {
        Some(environment) => {
            findings.add_environment(fleet::compile(&environment, &files.tree));
        }
        None => {
            for environment in environments(files) {
                findings.add_environment(fleet::compile(&environment, &files.tree));
            }
            findings.add_unused_allowances();
        }
    }
    findings
}

/// Those of the default chain, and those that have a folder.
fn environments(files: &Files) -> BTreeSet<EnvironmentName> {
    let folders = files.tree.keys().filter_map(|path| path.strip_prefix("environments/")?.split('/').next());
    CHAIN.into_iter().chain(folders).filter_map(|name| name.parse().ok()).collect()
}
