//! The keeper: starts the daemons of a local fleet, starts again what dies, ends them in order.

use super::daemon::{Daemon, Recipe};
use super::enlist;
use super::layout::Layout;
use super::settings::Settings;
use crate::error::{CommandError, CommandResult};
use fleet_server::lock::Lock;
use fleet_units::ids::EnvironmentName;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a node may take to stop its units in order before it is killed: above the default TimeoutStopSec= of 90 s.
const NODE_PATIENCE: Duration = Duration::from_secs(110);
/// How long the coordinator may take.
const SERVER_PATIENCE: Duration = Duration::from_secs(15);
/// How long a fresh coordinator may take to answer.
const SERVER_START: Duration = Duration::from_secs(30);
/// Lines waiting to be printed.
const WORDS: usize = 64;

/// A local fleet whose daemons run.
pub(crate) struct Keeper {
    /// Held as long as the keeper lives.
    _lock: Lock,
    watched: Vec<tokio::task::JoinHandle<Daemon>>,
    server: tokio::task::JoinHandle<Daemon>,
    stop: CancellationToken,
    stop_server: CancellationToken,
    /// What is worth saying: a daemon died and was started again.
    pub(crate) words: mpsc::Receiver<String>,
}

/// Takes the fleet's lock. An error names who holds it.
pub(crate) fn lock(layout: &Layout) -> CommandResult<Lock> {
    let path = layout.lock();
    match Lock::take(&path) {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(holder)) => {
            let who = holder.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"));
            let error = format!("a fleet is already up in {} (kept by {who})", layout.root.display());
            Err(CommandError::failed(error).hint("see it: fleet status").hint("end it: fleet down"))
        }
        Err(error) => Err(CommandError::because(format!("cannot lock {}", path.display()), error)),
    }
}

impl Keeper {
    /// Starts the coordinator, enlists nodes that have not joined, starts them all.
    pub(crate) async fn start(layout: &Layout, settings: &Settings, lock: Lock) -> CommandResult<Keeper> {
        let (sender, words) = mpsc::channel(WORDS);
        let (stop, stop_server) = (CancellationToken::new(), CancellationToken::new());
        let server = first_answer(begin(server_recipe(layout))?, layout).await?;
        let server = tokio::spawn(watch(server, sender.clone(), stop_server.clone()));
        let mut keeper = Keeper { _lock: lock, watched: Vec::new(), server, stop, stop_server, words };
        if let Err(error) = keeper.start_nodes(layout, settings, &sender).await {
            keeper.end().await;
            return Err(error);
        }
        Ok(keeper)
    }

    async fn start_nodes(
        &mut self,
        layout: &Layout,
        settings: &Settings,
        words: &mpsc::Sender<String>,
    ) -> CommandResult<()> {
        let mut operator = enlist::Operator::connect(layout, SERVER_START).await?;
        for environment in environments() {
            for number in 1..=settings.nodes {
                let name = format!("{environment}-{number}");
                operator.enlist(layout, settings, &environment, &name).await?;
                let node = begin(node_recipe(layout, &name))?;
                self.watched.push(tokio::spawn(watch(node, words.clone(), self.stop.clone())));
            }
        }
        Ok(())
    }

    /// Ends every daemon in order: nodes first, which stop their units, then the coordinator. Tells which had to be
    /// killed.
    pub(crate) async fn end(self) -> Vec<String> {
        let mut killed = Vec::new();
        self.stop.cancel();
        let mut ending = JoinSet::new();
        for watched in self.watched {
            if let Ok(mut node) = watched.await {
                ending.spawn(async move { (!node.end(NODE_PATIENCE).await).then_some(node.recipe.title) });
            }
        }
        killed.extend(ending.join_all().await.into_iter().flatten());
        self.stop_server.cancel();
        if let Ok(mut server) = self.server.await
            && !server.end(SERVER_PATIENCE).await
        {
            killed.push(server.recipe.title.clone());
        }
        killed
    }
}

/// The environments of a local fleet: the default chain.
pub(crate) fn environments() -> Vec<EnvironmentName> {
    fleet_server::config::Config::default().environments
}

fn begin(recipe: Recipe) -> CommandResult<Daemon> {
    let title = recipe.title.clone();
    Daemon::start(recipe).map_err(|error| CommandError::because(format!("cannot start the {title}"), error))
}

/// Waits until the coordinator answers. One that ends before it ever did is not started again: what stopped it, say a
/// taken port or a folder of a newer version, would stop it again.
async fn first_answer(mut server: Daemon, layout: &Layout) -> CommandResult<Daemon> {
    let answered = loop {
        tokio::select! {
            biased;
            how = server.ended() => {
                if server.is_own() {
                    break Err(did_not_start(&server, &how));
                }
                // An earlier keeper's, which was about to end: it says nothing about how a new one fares.
                server.again().await.map_err(|error| CommandError::because("cannot start the coordinator", error))?;
            }
            answered = enlist::Operator::connect(layout, SERVER_START) => break answered.map(drop),
        }
    };
    match answered {
        Ok(()) => Ok(server),
        Err(error) => {
            server.end(SERVER_PATIENCE).await;
            Err(error)
        }
    }
}

fn did_not_start(server: &Daemon, how: &str) -> CommandError {
    let log = format!("its log: {}", server.recipe.log.display());
    match server.last_words() {
        words if words.is_empty() => CommandError::failed(format!("the coordinator did not start: {how}")).hint(log),
        words => CommandError::because("the coordinator did not start", words).hint(log),
    }
}

/// Starts `daemon` again whenever it ends, until `stop`.
async fn watch(mut daemon: Daemon, words: mpsc::Sender<String>, stop: CancellationToken) -> Daemon {
    loop {
        let how = tokio::select! {
            () = stop.cancelled() => return daemon,
            how = daemon.ended() => how,
        };
        let title = daemon.recipe.title.clone();
        let pid = daemon.pid();
        let how = match daemon.last_words() {
            words if words.is_empty() => how,
            words => format!("{how}: {words}"),
        };
        let said = match daemon.again().await {
            Ok(()) => format!("{title} (pid {pid}) died: {how}; started again as pid {}", daemon.pid()),
            Err(error) => format!("{title} (pid {pid}) died: {how}; cannot start it again: {error}"),
        };
        // Nobody listens any more: the keeper is ending.
        let _ = words.send(said).await;
    }
}

fn server_recipe(layout: &Layout) -> Recipe {
    let state = layout.server();
    Recipe {
        title: "coordinator".to_owned(),
        arguments: ["server", "run", "--state", &state.to_string_lossy()].map(String::from).to_vec(),
        lock: state.join("lock"),
        log: state.join("server.log"),
    }
}

fn node_recipe(layout: &Layout, name: &str) -> Recipe {
    let state = layout.node(name);
    let runtime = layout.node_runtime(name);
    let policy = layout.policy();
    let folders = [("--state", &state), ("--runtime", &runtime), ("--policy", &policy)];
    let mut arguments = ["node", "run", "--name", name].map(String::from).to_vec();
    for (option, path) in folders {
        arguments.extend([option.to_owned(), path.to_string_lossy().into_owned()]);
    }
    Recipe { title: format!("node {name}"), arguments, lock: state.join("lock"), log: state.join("node.log") }
}
