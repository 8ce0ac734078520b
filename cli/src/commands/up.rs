//! `fleet up`: a whole fleet on this machine.

use crate::args::App;
use crate::client;
use crate::commands::{events, status};
use crate::error::{CommandError, CommandResult, Exit};
use crate::local_fleet::keeper::{self, Keeper};
use crate::local_fleet::layout::Layout;
use crate::local_fleet::settings::Settings;
use crate::local_fleet::{daemon, enlist, setup};
use crate::output::{Paint, time};
use fleet_proto::v1;
use fleet_server::lock::{self, Lock};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// How long the first units may take to show in the table; what is later shows in the events.
const FIRST_UNITS: Duration = Duration::from_secs(10);
/// Between two attempts to reach a coordinator that does not answer.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a detached fleet may take to answer.
const DETACHED_START: Duration = Duration::from_secs(120);

/// Bring a whole fleet up on this machine: coordinator, nodes, a sample repository.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: fleet up --detach, then: fleet status")]
pub(crate) struct Arguments {
    /// The fleet's folder; default: $XDG_STATE_HOME/fleet/local
    #[arg(long, env = "FLEET_DIR", hide_env = true)]
    dir: Option<PathBuf>,
    /// Leave the fleet running and return once it answers; `fleet down` ends it
    #[arg(long, env = "FLEET_DETACH", hide_env = true)]
    detach: bool,
    /// Start from a copy of this repository instead of the sample; it is read, never written
    #[arg(long, env = "FLEET_REPO", value_name = "PATH", hide_env = true)]
    repo: Option<PathBuf>,
    /// Nodes of each environment; default: as before, at first 1
    #[arg(long, env = "FLEET_NODES", value_name = "N", hide_env = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    nodes: Option<u32>,
    /// Make its context the current one
    #[arg(long = "use", env = "FLEET_USE", hide_env = true)]
    make_current: bool,
    /// Be the process that a detached fleet is kept by
    #[arg(long, env = "FLEET_KEEPER", hide = true, hide_env = true)]
    keeper: bool,
}

pub(crate) fn run(arguments: &Arguments, app: &App) -> CommandResult {
    let layout = Layout::new(arguments.dir.as_deref())?;
    if arguments.detach && !arguments.keeper {
        return detach(arguments, &layout, app);
    }
    let lock = keeper::lock(&layout)?;
    let first = !layout.settings().exists();
    let settings = setup::prepare(&layout, arguments.nodes, arguments.repo.as_deref(), arguments.make_current)?;
    if first && rustix::process::geteuid().is_root() {
        let policy = layout.policy();
        app.output.say(&format!("units of this fleet may run as root here: allow_root in {}", policy.display()));
    }
    if let (false, Some(repo)) = (first, &arguments.repo) {
        let clone = layout.clone();
        let said = format!(
            "this fleet has a repository already; {} is not read: push into {}",
            repo.display(),
            clone.display()
        );
        app.output.say(&said);
    }
    if arguments.nodes.is_some_and(|nodes| nodes < settings.nodes) {
        app.output
            .say(&format!("this fleet keeps its {} nodes of each environment: fleet up only adds", settings.nodes));
    }
    if arguments.keeper {
        // The terminal may go; a detached fleet stays. It is no group leader: it was just started.
        let _ = rustix::process::setsid();
    }
    app.block_on(keep(arguments, &layout, &settings, lock, app))
}

/// Keeps the fleet until Ctrl-C, SIGTERM or the end of the terminal, then ends it.
async fn keep(arguments: &Arguments, layout: &Layout, settings: &Settings, lock: Lock, app: &App) -> CommandResult {
    let failed = |error| CommandError::because("cannot listen for signals", error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    // Under nohup the terminal may go and the fleet stays.
    let mut hangup = match hangup_is_ignored() {
        true => None,
        false => Some(signal(SignalKind::hangup()).map_err(failed)?),
    };
    let mut fleet = Keeper::start(layout, settings, lock).await?;
    let local = enlist::app(layout);
    {
        let show = async {
            if !arguments.keeper
                && let Err(error) = view(layout, &local, app).await
            {
                app.output.say(&format!("nothing more is shown: {error}; the fleet stays up"));
            }
            std::future::pending::<()>().await;
        };
        tokio::pin!(show);
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                Some(_) = async { hangup.as_mut()?.recv().await } => break,
                Some(words) = fleet.words.recv() => app.output.say(&words),
                () = &mut show => {}
            }
        }
    }
    app.output.say("ending the fleet: units first, then the coordinator");
    let killed = fleet.end().await;
    setup::clean(layout)?;
    if killed.is_empty() {
        app.output.say("the fleet is down");
        return Ok(Exit::Done);
    }
    Err(CommandError::failed(format!("had to be killed: {}", killed.join(", "))))
}

/// Whether whoever started this process made it ignore SIGHUP.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1: SIGHUP.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// What runs, then events for ever. Ends only when nothing more can be written: what cannot be read now is tried again,
/// since the keeper starts a coordinator that died.
async fn view(layout: &Layout, local: &App, app: &App) -> CommandResult<()> {
    match first_units(local).await {
        Ok(environments) => write_table(&environments, layout, app)?,
        Err(error) => app.output.say(&format!("cannot show what runs yet: {error}")),
    }
    follow(local, app).await
}

/// The table of what runs, and what to try next.
async fn show(layout: &Layout, local: &App, app: &App) -> CommandResult<()> {
    let environments = first_units(local).await?;
    write_table(&environments, layout, app)
}

fn write_table(environments: &[v1::EnvironmentView], layout: &Layout, app: &App) -> CommandResult<()> {
    app.output.write(&status::render(environments, false, &app.output.stdout))?;
    app.output.write(&next_steps(layout, app))
}

/// What runs once every node has told its units and they have started, or 10 s later.
async fn first_units(local: &App) -> CommandResult<Vec<v1::EnvironmentView>> {
    let until = Instant::now() + FIRST_UNITS;
    loop {
        match settled(local, until).await {
            Err(_) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
            answer => return answer,
        }
    }
}

/// What runs once all is up, or at `until`.
async fn settled(local: &App, until: Instant) -> CommandResult<Vec<v1::EnvironmentView>> {
    let mut client = client::connect(local).await?;
    loop {
        let request = v1::StatusRequest::default();
        let environments = client.call(async |rpc| rpc.status(request).await).await?.environments;
        if environments.iter().all(is_up) || Instant::now() > until {
            return Ok(environments);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_up(environment: &v1::EnvironmentView) -> bool {
    let units = || environment.units.iter().filter_map(|unit| unit.status.as_ref());
    let up = |unit: &v1::UnitStatus| {
        let active = unit.active_state() == v1::ActiveState::Active || unit.completed;
        !unit.wanted || (active && unit.health() != v1::Health::Starting)
    };
    environment.nodes_connected == environment.nodes_total
        && !environment.desired_revision.is_empty()
        && (environment.state == "empty" || (units().next().is_some() && units().all(up)))
}

fn next_steps(layout: &Layout, app: &App) -> String {
    let stdout = &app.output.stdout;
    let context = layout.context_name();
    let current = crate::context::load().ok().and_then(|contexts| contexts.current);
    let option =
        if current.as_deref() == Some(context.as_str()) { String::new() } else { format!(" --context {context}") };
    let clone = layout.clone().display().to_string();
    let steps = [
        (format!("fleet status{option}"), "how every environment fares"),
        (format!("fleet logs{option} -f -e develop"), "what the units of develop write"),
        (format!("cd {clone} && $EDITOR units/web.service && git commit -am 'Try it' && git push"), "change develop"),
        (format!("fleet promote{option} develop test"), "ship what develop runs to test"),
        (format!("fleet down --dir {}", layout.root.display()), "end it all"),
    ];
    let mut text = format!("\n{}\n", stdout.paint(Paint::Strong, "Try next:"));
    for (command, what) in steps {
        text.push_str(&format!("  {}\n      {what}\n", stdout.show(Paint::Key, &command)));
    }
    text
}

/// Prints events as they come; ends only when they cannot be written. A coordinator that restarts is followed again.
async fn follow(local: &App, app: &App) -> CommandResult<()> {
    // What came before is in the table that was just shown.
    let mut last = time::now();
    loop {
        let mut stream = events_of(local).await.ok();
        while let Some(stream) = stream.as_mut()
            && let Ok(Some(event)) = stream.message().await
        {
            if event.time_us > last {
                last = event.time_us;
                app.output.write(&events::render(event, &app.output))?;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn events_of(local: &App) -> CommandResult<tonic::Streaming<v1::Event>> {
    let mut client = client::connect(local).await?;
    let request = v1::EventsRequest { follow: true, ..Default::default() };
    client.call(async |rpc| rpc.events(request).await).await
}

/// Starts the keeper as a process of its own, and returns once the fleet answers.
fn detach(arguments: &Arguments, layout: &Layout, app: &App) -> CommandResult {
    // Said here, where somebody reads it, rather than in the keeper's log.
    drop(keeper::lock(layout)?);
    let log_path = layout.log();
    let log = std::fs::File::create(&log_path)
        .map_err(|error| CommandError::because(format!("cannot write {}", log_path.display()), error))?;
    let failed = |error| CommandError::because("cannot start the keeper", error);
    let mut command = Command::new(daemon::own_binary().map_err(failed)?);
    command.arg0("fleet").args(["up", "--keeper", "--dir"]).arg(&layout.root);
    if let Some(repo) = &arguments.repo {
        command.arg("--repo").arg(std::path::absolute(repo).map_err(failed)?);
    }
    if let Some(nodes) = arguments.nodes {
        command.args(["--nodes", &nodes.to_string()]);
    }
    if arguments.make_current {
        command.arg("--use");
    }
    let log_too = log.try_clone().map_err(failed)?;
    let mut child = command.stdin(Stdio::null()).stdout(log_too).stderr(log).spawn().map_err(failed)?;
    app.block_on(async {
        let until = Instant::now() + DETACHED_START;
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Err(did_not_come_up(&log_path, status));
            }
            if lock::holder(&layout.lock()).is_ok_and(|holder| holder.is_some())
                && all_enlisted(layout)
                && enlist::Operator::connect(layout, Duration::ZERO).await.is_ok()
            {
                break;
            }
            if Instant::now() > until {
                return Err(CommandError::failed("the fleet does not answer")
                    .hint(format!("the keeper's own words: {}", log_path.display())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        show(layout, &enlist::app(layout), app).await
    })?;
    // What the keeper had to say so far: a node that does not stay up, and why.
    for line in std::fs::read_to_string(&log_path).unwrap_or_default().lines() {
        app.output.say(line);
    }
    Ok(Exit::Done)
}

/// The keeper ended: its own words are the error.
fn did_not_come_up(log: &Path, status: ExitStatus) -> CommandError {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    match said.trim().strip_prefix("error: ") {
        Some(words) => CommandError::failed(format!("the fleet did not come up: {words}")),
        None => CommandError::failed(format!("the fleet did not come up ({status})\n{}", said.trim_end())),
    }
}

/// Whether every node has joined: then the fleet is whole.
fn all_enlisted(layout: &Layout) -> bool {
    let Ok(Some(settings)) = Settings::load(layout) else { return false };
    keeper::environments().iter().all(|environment| {
        (1..=settings.nodes).all(|number| {
            fleet_node::config::Membership::load(&layout.node(&format!("{environment}-{number}"))).is_ok()
        })
    })
}
