//! `fleet import systemd FILE…`: takes units of a host over into a configuration repository, and says what is missing.
//!
//! ```text
//! files, folders --gather--> Gathered (units, aliases, instances) --report--> what each unit needs, what is refused
//!                                                                 --write--> units/NAME, units/NAME.d/*.conf
//! ```

mod gather;
mod report;
mod write;

use crate::args::App;
use crate::error::{CommandError, CommandResult, Exit};
use crate::output::json;
use clap::Subcommand;
use report::Report;
use std::path::PathBuf;

/// Take units of a host over into a configuration repository. Needs no coordinator.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    Systemd(Systemd),
}

/// Take over unit files of systemd, with their drop-ins, further names and enabled instances.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet import systemd /etc/systemd/system/web.service
  fleet import systemd /etc/systemd/system --dry-run
  fleet import systemd /lib/systemd/system/ssh.service --into ~/config")]
struct Systemd {
    /// Unit files, or folders such as /etc/systemd/system; of one name the first counts
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// The folder of the configuration repository
    #[arg(long, env = "FLEET_INTO", value_name = "DIR", default_value = ".", hide_env = true)]
    into: PathBuf,
    /// Replace files that are there and differ
    #[arg(long, env = "FLEET_FORCE", hide_env = true)]
    force: bool,
    /// Only say what would be done
    #[arg(long, env = "FLEET_DRY_RUN", hide_env = true)]
    dry_run: bool,
}

pub(crate) fn run(arguments: Arguments, app: &App) -> CommandResult {
    let From::Systemd(arguments) = arguments.from;
    if !arguments.into.is_dir() {
        return Err(CommandError::usage(format!("{} is no folder", arguments.into.display()))
            .hint("--into names the folder of the configuration repository"));
    }
    let gathered = gather::gather(&arguments.paths)?;
    let report = Report::new(gathered, &arguments.into)?;
    let files = report.files();
    let conflicts = write::conflicts(&arguments.into, files)?;
    if !conflicts.is_empty() && !arguments.force && !arguments.dry_run {
        let error = CommandError::failed("these files are there already and differ; nothing was written");
        let error = conflicts.iter().fold(error, |error, path| error.hint(path.clone()));
        return Err(error.hint("--force replaces them"));
    }
    if !arguments.dry_run {
        write::write(&arguments.into, files)?;
    }
    if app.output.is_json() {
        json::print(&app.output, &report)?;
    } else {
        app.output.write(&report.render(&app.output.stdout))?;
        let into = arguments.into.join("units");
        let verb = if arguments.dry_run { "would be taken" } else { "taken" };
        app.output.say(&format!(
            "{} {verb} over into {}, {} not",
            units(report.taken()),
            into.display(),
            report.left()
        ));
    }
    if arguments.dry_run && !conflicts.is_empty() && !arguments.force {
        app.output.say(&format!("there already, and different (--force replaces them): {}", conflicts.join(", ")));
        return Ok(Exit::No);
    }
    Ok(if report.failed() { Exit::No } else { Exit::Done })
}

fn units(count: usize) -> String {
    format!("{count} unit{}", if count == 1 { "" } else { "s" })
}
