//! The agent: the process that decides. Started by the supervisor, and again when it dies; what runs does not notice.
//!
//! ```text
//! attach to the supervisor -> engine, continue what runs -> act on the stored assignment
//!   -> link to the coordinator, local socket, http, renewal, holds   (each a task, all ended by one token)
//! ```

use crate::admission::HostAdmission;
use crate::claims::{self, Claims};
use crate::config::{Membership, NodeConfig, StateError};
use crate::control::{Control, ControlError};
use crate::desk::{Desk, Setup};
use crate::host_units::HostUnits;
use crate::keeper::STOP_UNITS;
use crate::kernel::clock::ClockWatch;
use crate::link::{self, LinkState, Whoami};
use crate::policy::{Policy, PolicyError};
use crate::stored::{Folder, Stored, StoredError};
use crate::supervise::{self, Earlier, Engine, Host, Places};
use crate::{error_chain, facts, http, local, specifiers};
use fleet_certs::client::{LinkOptions, connect};
use fleet_certs::clock::system_time;
use fleet_certs::keystore::Keystore;
use fleet_certs::renewal::{self, LiveIdentity, RenewalError};
use fleet_proto::v1;
use fleet_proto::v1::node_service_client::NodeServiceClient;
use fleet_units::components::{ComponentState, Components};
use fleet_units::diagnostic::Reason;
use fleet_units::ids::{UnitDigest, UnitName};
use fleet_units::spec;
use fleet_units::status::{ActiveState, UnitStatus};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codegen::Bytes;
use tonic::transport::Channel;

/// How long tasks may take to end after the units have.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The runtime cannot be made.
    #[error("start the agent's runtime")]
    Runtime(#[source] std::io::Error),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Nor what is stored in it.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// No supervisor.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// No identity.
    #[error(transparent)]
    Identity(#[from] RenewalError),
    /// The policy cannot be used; nothing may run without one that was asked for.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The local socket cannot be opened.
    #[error("open the local socket {path}")]
    Local {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs the agent until the supervisor goes, [`STOP_UNITS`] asks it to stop every unit and end, or SIGTERM ends it alone:
/// the units run on then, for the next agent.
pub fn main(config: NodeConfig) -> Result<(), AgentError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(AgentError::Runtime)?;
    let ended = runtime.block_on(run(&config));
    // A blocking write to a stuck disk must not keep the process.
    runtime.shutdown_timeout(LAST_WORDS);
    ended
}

async fn run(config: &NodeConfig) -> Result<(), AgentError> {
    // First: a signal that comes before it is listened for ends the process.
    let signals = Signals::listen();
    let started = system_time();
    let member = Membership::load(&config.state)?;
    let folder = Folder::open(&config.state)?;
    let stored = load(&folder);
    let admission = admission(config, &member)?;
    let mut places = Places::of_this_user(&config.runtime);
    places.take_over |= admission.policy.allow_root;
    let context = specifiers::context(&member.environment, &places);
    let (control, table, events) = Control::attach(&config.control_socket()).await?;
    let (supervisor_pid, boot_id) = (table.supervisor_pid, table.boot_id.clone());
    let engine_config = supervise::Config {
        host: Host {
            node: member.name.clone(),
            environment: member.environment.clone(),
            user: nix::unistd::geteuid(),
            places,
            files: config.runtime.join("files"),
        },
        holds: folder.load_holds().unwrap_or_else(|error| {
            tracing::error!(error = %error_chain(&error), "the stored holds are not known");
            BTreeMap::new()
        }),
        completed: folder.load_completed(&boot_id).unwrap_or_else(|error| {
            tracing::error!(error = %error_chain(&error), "which oneshots have run is not known: they run again");
            BTreeMap::new()
        }),
        host_units: HostUnits::of_systemd(),
        admission: Box::new(admission),
        earlier: earlier(folder.clone(), context.clone()),
        stamps: folder.load_stamps().unwrap_or_else(|error| {
            tracing::error!(error = %error_chain(&error), "what persistent timers missed is not known");
            BTreeMap::new()
        }),
        clock: Box::new(supervise::SystemClock),
    };
    let known = engine_config.completed.clone();
    let engine = Engine::start(control, table, events, engine_config);
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(store_completed(folder.clone(), boot_id.clone(), known, engine.clone(), shutdown.clone()));
    let keystore = Keystore::new(&config.identity_folder());
    let clock = keystore.clock();
    let identity = LiveIdentity::open(keystore, clock)?;
    let (link_state, link_states) = watch::channel(LinkState::Away(Reason::new("starting", "not tried yet")));
    let trusted = identity.clone();
    let desk = Desk::new(Setup {
        whoami: Whoami { node: member.name.clone(), environment: member.environment.clone() },
        folder: folder.clone(),
        spool: config.spool(),
        engine: engine.clone(),
        context,
        facts: facts::collect(),
        host_units: HostUnits::of_systemd(),
        boot_id,
        link: link_states.clone(),
        trust: Box::new(move |update| trust(&trusted, update)),
        started,
        supervisor_pid,
        endpoints: member.endpoints.clone(),
        wall: system_time,
    });
    if let Some(stored) = stored {
        desk.boot(stored).await;
    }
    let socket = config.local_socket();
    let listener = local::listen(&socket).map_err(|source| AgentError::Local { path: socket, source })?;
    tasks.spawn(store_stamps(folder.clone(), engine.clone(), shutdown.clone()));
    tasks.spawn(watch_clock(engine.clone(), shutdown.clone()));
    tasks.spawn(store_holds(folder, engine.clone(), shutdown.clone()));
    tasks.spawn(serve_local(listener, desk.clone(), shutdown.clone()));
    tasks.spawn(link::run(desk.clone(), dial(config, &member), link_state, shutdown.clone()));
    tasks.spawn(renewal::renew_when_due(identity, sign(config, &member), shutdown.clone()));
    if let Some(address) = config.http {
        tasks.spawn(serve_http(address, desk.clone(), link_states, shutdown.clone()));
    }
    tasks.close();
    wait_for_the_end(signals, &desk, &engine).await;
    shutdown.cancel();
    // What does not end in time has nothing left to say.
    let _ = tokio::time::timeout(LAST_WORDS, tasks.wait()).await;
    Ok(())
}

/// What an agent is told by signals.
struct Signals {
    terminate: Signal,
    stop_units: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Signals {
        let listen = |kind| signal(kind).expect("signals can be listened for on Linux");
        Signals {
            terminate: listen(SignalKind::terminate()),
            stop_units: listen(SignalKind::from_raw(STOP_UNITS)),
            hang_up: listen(SignalKind::hangup()),
        }
    }
}

/// Returns once the supervisor has gone, SIGTERM came, or all units were asked to be down and are.
async fn wait_for_the_end(mut signals: Signals, desk: &Desk, engine: &supervise::Handle) {
    loop {
        tokio::select! {
            () = engine.closed() => return tracing::warn!("the supervisor has gone"),
            _ = signals.terminate.recv() => return tracing::info!("asked to end; the units run on"),
            _ = signals.stop_units.recv() => {
                tracing::info!("stopping every unit");
                desk.stop_all().await;
                return;
            }
            _ = signals.hang_up.recv() => tracing::info!("SIGHUP: there is nothing to read again"),
        }
    }
}

/// The stored assignment. A damaged one is set aside: the coordinator sends it again.
fn load(folder: &Folder) -> Option<Stored> {
    match folder.load() {
        Ok(stored) => stored,
        Err(error) => {
            let aside = folder.set_aside().map(|path| path.display().to_string());
            let aside = aside.unwrap_or_else(|error| format!("nowhere: {error}"));
            tracing::error!(error = %error_chain(&error), aside, "the stored assignment is damaged and was set aside");
            None
        }
    }
}

/// What an earlier agent ran units from: bundles are kept on the disk as long as units run from them.
fn earlier(folder: Folder, context: spec::Context) -> Earlier {
    Box::new(move |unit, digest| {
        let bundle = folder.bundle(digest)?;
        let loaded = spec::load(unit, &bundle, &context);
        let whole = !loaded.diagnostics.iter().any(|diagnostic| diagnostic.is_error());
        Some((Arc::new(loaded.spec.filter(|_| whole)?), bundle))
    })
}

fn admission(config: &NodeConfig, member: &Membership) -> Result<HostAdmission, AgentError> {
    let policy = match &config.policy {
        Some(path) => Policy::load(path)?,
        None => Policy::default(),
    };
    let claims = Claims::open(&claims::shared_folder(), member.name.clone());
    let claims = claims.inspect_err(|error| {
        tracing::warn!(error = %error_chain(error), "what other nodes of this host hold is not known");
    });
    Ok(HostAdmission { policy, claims: claims.ok() })
}

type Dialled = Pin<Box<dyn Future<Output = Result<Channel, String>> + Send>>;

/// Makes one connection; the keystore is read again for each.
fn dial(config: &NodeConfig, member: &Membership) -> impl Fn() -> Dialled + use<> {
    let (folder, endpoints) = (config.identity_folder(), member.endpoints.clone());
    move || {
        let (folder, endpoints) = (folder.clone(), endpoints.clone());
        Box::pin(async move {
            let keystore = Keystore::new(&folder);
            connect(&endpoints, &keystore, &LinkOptions::node()).await.map_err(|error| error.to_string())
        })
    }
}

type Certificates = Vec<CertificateDer<'static>>;
type Signed = Pin<Box<dyn Future<Output = Result<(Certificates, Certificates), String>> + Send>>;

/// Has the coordinator sign a new key; on a connection of its own, so that it works while the link reconnects.
fn sign(config: &NodeConfig, member: &Membership) -> impl Fn(Vec<u8>) -> Signed + use<> {
    let dial = dial(config, member);
    move |request| {
        let channel = dial();
        Box::pin(async move {
            let mut client = NodeServiceClient::new(channel.await?);
            let request = v1::RenewRequest { csr_der: request.into() };
            let answer = client.renew(request).await.map_err(|status| status.message().to_owned())?.into_inner();
            let certificates = |ders: Vec<Bytes>| ders.into_iter().map(|der| der.to_vec().into()).collect();
            Ok((certificates(answer.chain_der), certificates(answer.roots_der)))
        })
    }
}

fn trust(identity: &LiveIdentity, update: v1::TrustUpdate) {
    let roots = update.roots_der.into_iter().map(|root| root.to_vec().into()).collect();
    match identity.trust(roots) {
        Ok(()) => tracing::info!("trusts the coordinator's new list of roots"),
        Err(error) => tracing::error!(error = %error_chain(&error), "the new list of roots is not taken"),
    }
}

async fn serve_local(listener: tokio::net::UnixListener, desk: Desk, shutdown: CancellationToken) {
    if let Err(error) = local::serve(listener, desk, shutdown).await {
        tracing::error!(error = %error_chain(&error), "the local socket is closed");
    }
}

/// Holds outlive the agent: each change is stored before anybody relies on it for long.
async fn store_holds(folder: Folder, engine: supervise::Handle, shutdown: CancellationToken) {
    let mut holds = engine.holds();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = holds.changed() => if changed.is_err() { return },
        }
        let (folder, now) = (folder.clone(), holds.borrow_and_update().clone());
        let saved = tokio::task::spawn_blocking(move || folder.save_holds(&now)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(error = %error_chain(&error), "holds are not stored; they end with this agent");
        }
    }
}

/// Persistent timers make up for what they missed while the host was down.
async fn store_stamps(folder: Folder, engine: supervise::Handle, shutdown: CancellationToken) {
    let mut stamps = engine.stamps();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = stamps.changed() => if changed.is_err() { return },
        }
        let (folder, now) = (folder.clone(), stamps.borrow_and_update().clone());
        let saved = tokio::task::spawn_blocking(move || folder.save_stamps(&now)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(error = %error_chain(&error), "the last elapses of persistent timers are not stored");
        }
    }
}

/// Tells the engine each time the wall clock is set.
async fn watch_clock(engine: supervise::Handle, shutdown: CancellationToken) {
    let watch = match ClockWatch::new() {
        Ok(watch) => watch,
        Err(error) => return tracing::error!(error = %error, "whether the clock is set is not told by this host"),
    };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            set = watch.set() => match set {
                Ok(()) => engine.clock_was_set().await,
                Err(error) => return tracing::error!(error = %error, "the clock is not watched any more"),
            },
        }
    }
}

/// Oneshots run once per boot and digest, whatever becomes of agent and supervisor.
async fn store_completed(
    folder: Folder,
    boot_id: String,
    mut known: BTreeMap<UnitName, UnitDigest>,
    engine: supervise::Handle,
    shutdown: CancellationToken,
) {
    let mut statuses = engine.statuses();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = statuses.changed() => if changed.is_err() { return },
        }
        // One that stays (RemainAfterExit=) is stopped with the node, and runs again after that; one that its
        // condition skipped is asked again.
        let over = |status: &UnitStatus| {
            status.completed && status.active_state == ActiveState::Inactive && status.result == "success"
        };
        let now: BTreeMap<UnitName, UnitDigest> = statuses
            .borrow_and_update()
            .values()
            .filter(|status| over(status))
            .filter_map(|status| Some((status.unit.clone(), status.digest?)))
            .collect();
        if now == known {
            continue;
        }
        known.clone_from(&now);
        let (folder, boot_id) = (folder.clone(), boot_id.clone());
        let saved = tokio::task::spawn_blocking(move || folder.save_completed(&boot_id, now)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(error = %error_chain(&error), "which oneshots have run is not stored");
        }
    }
}

/// /health, /metrics. A port that cannot be had is said and does not stop the units.
async fn serve_http(
    address: SocketAddr,
    desk: Desk,
    mut link: watch::Receiver<LinkState>,
    shutdown: CancellationToken,
) {
    let listener = match http::listen(address) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(error = %error_chain(&error), "/health and /metrics are not served"),
    };
    let (components, shown) = watch::channel(components(&link.borrow()));
    let statuses = desk.statuses();
    let shown = http::Shown {
        components: shown,
        metrics: Arc::new(http::Metrics::new()),
        refresh: Arc::new(move |metrics| {
            let now = desk.local_status();
            metrics.connected.set(i64::from(now.connected));
            metrics.generation.set(i64::try_from(now.generation).unwrap_or(i64::MAX));
            metrics.observe(statuses.borrow().values());
        }),
    };
    let follow = async {
        while link.changed().await.is_ok() {
            components.send_replace(self::components(&link.borrow_and_update()));
        }
    };
    tokio::select! {
        ended = http::run(listener, shown, shutdown) => if let Err(error) = ended {
            tracing::error!(%error, "/health and /metrics are closed");
        },
        () = follow => {}
    }
}

/// The parts of a node and how they fare. Without the coordinator a node is degraded, not failed: its units run on.
fn components(link: &LinkState) -> Components {
    let mut components = Components::default();
    components.set("supervisor", ComponentState::Ok, "attached");
    let (state, text) = match link {
        LinkState::Connected => (ComponentState::Ok, "connected"),
        LinkState::Away(why) => (ComponentState::Degraded, why.text.as_str()),
    };
    components.set("link", state, text);
    components
}
