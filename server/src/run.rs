//! Puts the coordinator together, and takes it apart again on SIGTERM.
//!
//! Order of the start: lock, journal, identity, repository, store, logs, fleet task, what was accepted before, listeners.
//! Whoever can connect finds a coordinator that knows its fleet.

use crate::api::auth::AuthLayer;
use crate::api::enroll::EnrollApi;
use crate::api::node::NodeApi;
use crate::api::operator::OperatorApi;
use crate::api::renew;
use crate::config::Config;
use crate::http::{self, HttpError, Metrics, Shown};
use crate::init::{self, InitError};
use crate::journal::{Entry, Journal, JournalError, inbox};
use crate::listen::{self, Connections, Limits, ListenError};
use crate::lock::Lock;
use crate::logs::{LogError, LogStore, Retention};
use crate::reconcile::{self, Branches, Clocks, Handle};
use crate::source::environments::by_change;
use crate::source::{Chain, Environment, Source, SourceError, SourceHandle, Watcher};
use crate::store::{self, SledStore, StoreError};
use fleet_certs::authority::{Authority, AuthorityError};
use fleet_certs::clock::system_time;
use fleet_certs::renewal::{LiveIdentity, RenewalError, renew_when_due};
use fleet_certs::tls::{self, TlsError};
use fleet_units::components::{ComponentState, Components};
use fleet_units::ids::Epoch;
use fleet_units::time::Moment;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Convergences waiting to be recorded: one for each environment is usual.
const CONVERGED: usize = 64;
/// How long open streams may take to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why the coordinator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another coordinator runs on this folder.
    #[error("a coordinator is already running on {state} (pid {pid}); stop it first")]
    Running {
        /// The state folder.
        state: PathBuf,
        /// Its process.
        pid: String,
    },
    /// The folder cannot be locked.
    #[error("lock {path}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The chain of environments.
    #[error("the chain of environments: {0}")]
    Chain(String),
    /// The state is not there or damaged.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The repository.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log store.
    #[error(transparent)]
    Logs(#[from] LogError),
    /// The coordinator's own identity.
    #[error(transparent)]
    Identity(#[from] RenewalError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A gRPC listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The HTTP listener.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The task that owns the fleet's state.
    #[error("the fleet task ended by itself")]
    FleetTask(#[source] Option<tokio::task::JoinError>),
    /// Signals.
    #[error("listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Runs the coordinator on the folder `state` until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start; a running coordinator ends only when it is asked to.
pub async fn run(state: &Path, config: Config) -> Result<(), RunError> {
    let _lock = lock(state)?;
    let mut signals = Signals::listen().map_err(RunError::Signals)?;
    let listeners = Listeners::bind(&config).await?;
    let authority = Arc::new(Authority::load(&init::authority_folder(state))?);
    let journal = Journal::open(&init::journal_path(state))?;
    let inbox_folder = inbox::folder(&init::journal_path(state));
    inbox::drain(&journal, &inbox_folder)?;
    let identity = identity(state, &authority, &config)?;
    // A machine without a clock battery boots in 1970: what the journal has seen is a lower bound of now.
    identity.clock().saw(journal.state().last);
    let source = open_source(state, &config)?;
    let store = open_store(state, &journal)?;
    let logs = LogStore::open(&state.join("logs"), Retention::default())?;
    let shutdown = CancellationToken::new();
    let tasks = TaskTracker::new();

    let metrics = Arc::new(Metrics::new());
    let (converged, to_record) = mpsc::channel(CONVERGED);
    let start = reconcile::Start {
        chain: config.chain(),
        store: store.clone(),
        journal: journal.clone(),
        converged,
        metrics: metrics.clone(),
        epoch: journal.state().epoch,
        clocks: Clocks { wall: system_time, monotonic },
    };
    let (fleet, mut fleet_task) = reconcile::start(start, shutdown.clone())?;
    let (look, mut branches) = Branches::new(source.clone(), fleet.clone(), system_time, config.chain(), to_record);
    branches.recall().await?;
    let watcher = Watcher::new(&state.join(&config.repository));
    tasks.spawn(branches.run(watcher, shutdown.clone()));
    look.now().await;

    let node_api = NodeApi {
        fleet: fleet.clone(),
        logs: logs.clone(),
        renew: renew::of_nodes(authority.clone(), journal.clone(), config.lives),
        shutdown: shutdown.clone(),
    };
    let operator_api = OperatorApi {
        fleet: fleet.clone(),
        look,
        source,
        chain: config.environments.clone(),
        journal: journal.clone(),
        logs,
        renew: renew::of_operators(authority.clone(), journal.clone(), config.lives),
        pin: authority.root_digest(),
        wall: system_time,
        shutdown: shutdown.clone(),
    };
    let revocation: Arc<dyn tls::Revocation> = Arc::new(journal.clone());
    let connections = Connections::new(revocation.clone());
    tasks.spawn(connections.clone().watch(journal.subscribe(), shutdown.clone()));
    let main = tls::server_config(
        identity.leaf(),
        identity.roots(),
        authority.domain().clone(),
        identity.clock(),
        revocation,
    )?;
    let incoming = listen::incoming(listeners.main, main, Limits::main(), connections.clone(), shutdown.clone());
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(fleet_proto::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptors are those the services were generated from");
    let router = listen::main_router(node_api, operator_api, AuthLayer::new(journal.clone()).counting(metrics.clone()))
        .add_service(health_service)
        .add_service(reflection);
    let stop = shutdown.clone();
    tasks.spawn(async move {
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await {
            tracing::error!(error = %crate::error_chain(&error), "the main listener ended");
        }
    });
    if let Some(listener) = listeners.enroll {
        let tls = tls::enrolment_config(identity.leaf(), identity.roots(), identity.clock())?;
        let incoming = listen::incoming(listener, tls, Limits::enrolment(), connections, shutdown.clone());
        let api = EnrollApi::new(authority.clone(), journal.clone(), config.lives, config.told_endpoints());
        let router = listen::enrolment_router(api);
        let stop = shutdown.clone();
        tasks.spawn(async move {
            if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await {
                tracing::error!(error = %crate::error_chain(&error), "the enrolment listener ended");
            }
        });
    }
    if let Some(listener) = listeners.http {
        let shown = shown(&fleet, &store, metrics, &tasks, &shutdown);
        let stop = shutdown.clone();
        tasks.spawn(async move {
            if let Err(error) = http::run(listener, shown, stop).await {
                tracing::error!(%error, "/health and /metrics ended");
            }
        });
    }
    tasks.spawn(inbox::watch(journal, inbox_folder, shutdown.clone()));
    let sign = renew::own(authority, config.lives);
    tasks.spawn(renew_when_due(identity, sign, shutdown.clone()));
    tasks.close();
    tracing::info!(listen = %config.listen, "the coordinator is ready");

    let broken = tokio::select! {
        () = signals.wait() => None,
        // Only a panic ends it before `shutdown`: without it nothing is answered, so the process ends and comes back.
        ended = &mut fleet_task => Some(RunError::FleetTask(ended.err())),
    };
    tracing::info!("the coordinator is stopping; what runs on the nodes runs on");
    shutdown.cancel();
    // Streams that do not end by themselves end with the process; nothing durable hangs on them.
    let _ = tokio::time::timeout(LAST_WORDS, tasks.wait()).await;
    match broken {
        Some(error) => Err(error),
        None => {
            let _ = fleet_task.await;
            Ok(())
        }
    }
}

/// Every address the coordinator listens on, taken before anything else is opened: with one of them taken it changes
/// nothing, and nobody is answered by a coordinator that is about to end.
struct Listeners {
    main: tokio::net::TcpListener,
    enroll: Option<tokio::net::TcpListener>,
    http: Option<tokio::net::TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Listeners, RunError> {
        let main = listen::bind(config.listen).await?;
        let enroll = match config.enroll {
            Some(address) => Some(listen::bind(address).await?),
            None => None,
        };
        let http = config.http.map(http::listen).transpose()?;
        Ok(Listeners { main, enroll, http })
    }
}

fn lock(state: &Path) -> Result<Lock, RunError> {
    let path = state.join("lock");
    match Lock::take(&path) {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(pid)) => {
            let pid = pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
            Err(RunError::Running { state: state.to_owned(), pid })
        }
        Err(source) => Err(RunError::Lock { path, source }),
    }
}

fn identity(state: &Path, authority: &Authority, config: &Config) -> Result<Arc<LiveIdentity>, RunError> {
    let keystore = init::ensure_identity(state, authority, &config.lives)?;
    let clock = keystore.clock();
    Ok(LiveIdentity::open(keystore, clock)?)
}

fn open_source(state: &Path, config: &Config) -> Result<SourceHandle, RunError> {
    let environments = config.chain().into_iter().map(|(name, branch)| Environment { name, branch }).collect();
    let chain = Chain::new(environments).map_err(|error| RunError::Chain(error.to_string()))?;
    let source = Source::open(&state.join(&config.repository), chain, by_change())?;
    Ok(SourceHandle::new(source))
}

/// Opens the store. A new or rebuilt one does not know the generations it gave, so a new epoch begins.
fn open_store(state: &Path, journal: &Journal) -> Result<Arc<dyn store::Store>, RunError> {
    let path = state.join("store");
    let fresh = !path.exists();
    let opened = SledStore::open(&path, store::Options::default())?;
    if let Some((aside, why)) = &opened.set_aside {
        tracing::error!(aside = %aside.display(), why, "the store was damaged and is rebuilt from git, journal and nodes");
    }
    if fresh || opened.set_aside.is_some() || journal.state().epoch == Epoch(0) {
        journal.append(Entry::Epoch { epoch: Epoch(journal.state().epoch.0 + 1) })?;
    }
    Ok(Arc::new(opened.store))
}

/// What /health and /metrics show: brought up to date every second, so that a probe never waits for the fleet task.
fn shown(
    fleet: &Handle,
    store: &Arc<dyn store::Store>,
    metrics: Arc<Metrics>,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Shown {
    let mut starting = Components::default();
    starting.set("fleet", ComponentState::Ok, "started");
    let (components, seen) = watch::channel(starting);
    let (view, latest) = watch::channel(None);
    let (fleet, shutdown, store) = (fleet.clone(), shutdown.clone(), store.clone());
    let synced = metrics.clone();
    tasks.spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        let mut syncs = 0;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = every.tick() => {}
            }
            let answered = fleet.view(None).await;
            let (state, text) = match &answered {
                Ok(_) => (ComponentState::Ok, "answers".to_owned()),
                Err(status) => (ComponentState::Failed, status.message().to_owned()),
            };
            components.send_if_modified(|components| components.set("fleet", state, text));
            view.send_replace(answered.ok());
            let now = store.syncs();
            synced.fsyncs.inc_by(now - syncs);
            syncs = now;
        }
    });
    let refresh = move |metrics: &Metrics| {
        if let Some(view) = latest.borrow().as_ref() {
            metrics.observe(view);
        }
    };
    Shown { components: seen, metrics, refresh: Arc::new(refresh) }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: server.toml is read at the start only; restart to apply changes");
                }
            }
        }
    }
}

/// `CLOCK_BOOTTIME`, so that a suspended coordinator does not think nodes were idle for no time.
fn monotonic() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let micros = u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1000;
    Moment(micros)
}
