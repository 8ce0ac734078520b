//! `fleet render UNIT -e ENV`: the effective unit of a configuration repository, with the origin of every line.

mod host;

use crate::args::App;
use crate::commands::unit_name;
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::output::{diagnostic, json};
use crate::source_files::{self, Files, folder, git};
use fleet_units::diagnostic::Diagnostic;
use fleet_units::ids::EnvironmentName;
use fleet_units::spec::directives::{self, Directive};
use fleet_units::spec::effective::{Effective, EffectiveLine, NotEffective, effective};
use host::Specifier;
use serde::Serialize;
use std::path::Path;

/// Show a unit as it counts in an environment, and where each line comes from. Needs no coordinator.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet render web -e production
  fleet render worker@1 -e develop --specifier H=box
  fleet render web -e production --rev HEAD~1 --defaults")]
pub(crate) struct Arguments {
    /// The unit: web.service, or web for short
    unit: String,
    /// The folder of the configuration repository
    #[arg(default_value = ".")]
    path: String,
    /// The environment it counts in
    #[arg(short, long, env = "FLEET_ENVIRONMENT", value_name = "ENV", hide_env = true)]
    environment: EnvironmentName,
    /// A commit of the repository instead of its files
    #[arg(long, env = "FLEET_REV", value_name = "REV", hide_env = true)]
    rev: Option<String>,
    /// Fill in the specifiers of the host with the values of this node, which must run on this host
    #[arg(long, env = "FLEET_NODE", value_name = "NODE", hide_env = true)]
    node: Option<String>,
    /// Fill in a specifier of the host by hand: H=box
    #[arg(long, env = "FLEET_SPECIFIER", value_name = "LETTER=VALUE", hide_env = true)]
    specifier: Vec<Specifier>,
    /// Add the keys of [X-Fleet] that are not set, as comments with their defaults
    #[arg(long, env = "FLEET_DEFAULTS", hide_env = true)]
    defaults: bool,
}

/// `-o json`
#[derive(Serialize)]
struct View<'a> {
    unit: &'a str,
    environment: &'a EnvironmentName,
    files: &'a [String],
    lines: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    defaults: Vec<Default<'a>>,
    diagnostics: &'a [Diagnostic],
}

#[derive(Serialize)]
struct Line<'a> {
    section: &'a str,
    key: &'a str,
    value: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<&'a str>,
}

#[derive(Serialize)]
struct Default<'a> {
    section: &'a str,
    key: &'a str,
    value: &'a str,
    /// Who gives it: `fleet`, or `environment` where it is another one elsewhere.
    origin: &'a str,
}

pub(crate) fn run(arguments: &Arguments, app: &App) -> CommandResult {
    let unit = unit_name::parse(&arguments.unit)?;
    let files = read(arguments)?;
    warn_of_environment(arguments, &files, app);
    let context = host::context(&arguments.environment, arguments.node.as_deref(), &arguments.specifier)?;
    let shown = effective(&unit, &files.tree, &context).map_err(not_effective)?;
    let defaults = if arguments.defaults { defaults(&shown, &arguments.environment) } else { Vec::new() };
    let wrong = shown.diagnostics.iter().any(Diagnostic::is_error);
    if app.output.is_json() {
        json::print(&app.output, &view(&shown, defaults, arguments))?;
    } else {
        app.output.write(&app.output.stdout.text(&text(&shown, &defaults, arguments)))?;
        for item in &shown.diagnostics {
            app.output.say(diagnostic::line(item, "", &app.output.stderr).trim_end());
        }
    }
    Ok(if wrong { Exit::No } else { Exit::Done })
}

fn read(arguments: &Arguments) -> CommandResult<Files> {
    let path = Path::new(&arguments.path);
    let files = match &arguments.rev {
        Some(rev) => git::commit(path, rev)?,
        None => folder::read(path)?,
    };
    match files.tree.is_empty() {
        false => Ok(files),
        true => Err(CommandError::failed(format!("{} has neither units/ nor environments/", arguments.path))
            .hint("name the folder of a configuration repository")),
    }
}

/// The environments are the coordinator's; a name that nothing here knows is most likely a mistake.
fn warn_of_environment(arguments: &Arguments, files: &Files, app: &App) {
    let known = source_files::environments(&files.tree);
    if !known.contains(&arguments.environment) {
        let near = did_you_mean(arguments.environment.as_str(), known.iter().map(EnvironmentName::as_str));
        let near = near.map_or(String::new(), |near| format!("; {near}"));
        app.output.say(&format!("note: there is no folder environments/{}{near}", arguments.environment));
    }
}

fn not_effective(error: NotEffective) -> CommandError {
    let hint = match &error {
        NotEffective::Missing { near: Some(near), .. } => format!("did you mean {near}?"),
        NotEffective::Missing { .. } => "unit files are units/NAME and environments/ENV/units/NAME".to_owned(),
        NotEffective::Masked { path, .. } => format!("take {path} away to have the unit again"),
    };
    CommandError::failed(error).hint(hint)
}

/// The keys of `[X-Fleet]` that have a default and are not set.
fn defaults(shown: &Effective, environment: &EnvironmentName) -> Vec<Default<'static>> {
    let set = |key: &str| shown.lines.iter().any(|line| line.section == "X-Fleet" && line.key == key);
    let rows = directives::all().iter().filter(|row| row.section == "X-Fleet" && !row.default.is_empty());
    let rows = rows.filter(|row| !set(row.key));
    let default = |row: &'static Directive| {
        let value = row.default_in(environment);
        let origin = if value == row.default { "fleet" } else { "environment" };
        Default { section: row.section, key: row.key, value, origin }
    };
    rows.map(default).collect()
}

fn text(shown: &Effective, defaults: &[Default<'_>], arguments: &Arguments) -> String {
    let what = "a comment names the file and line of what stands below it";
    let mut text = format!("# {} in {}; {what}\n{shown}", shown.name, arguments.environment);
    if !defaults.is_empty() {
        let header = if shown.lines.iter().any(|line| line.section == "X-Fleet") { "" } else { "\n[X-Fleet]\n" };
        text += &format!("{header}# not set, with their defaults:\n");
        for Default { key, value, origin, .. } in defaults {
            if *origin == "environment" {
                text += &format!("# of {}:\n", arguments.environment);
            }
            text += &format!("# {key}={value}\n");
        }
    }
    text
}

fn view<'a>(shown: &'a Effective, defaults: Vec<Default<'a>>, arguments: &'a Arguments) -> View<'a> {
    let line = |line: &'a EffectiveLine| Line {
        section: line.section,
        key: line.key,
        value: &line.value,
        file: &line.place.file,
        line: line.place.line,
        column: line.place.column,
        written: line.written.as_deref(),
    };
    View {
        unit: shown.name.as_str(),
        environment: &arguments.environment,
        files: &shown.files,
        lines: shown.lines.iter().map(line).collect(),
        defaults,
        diagnostics: &shown.diagnostics,
    }
}
