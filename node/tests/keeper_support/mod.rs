//! A node under test, in processes of its own, with the test as its agent.
//!
//! Guard and supervisor need processes with one thread, and libtest has several. So a test executes its own binary again,
//! and a constructor that runs before `main` looks at `argv[0]` or FLEET_TEST_ROLE and plays the part: guard, supervisor,
//! agent, or a unit's program. The agent that the guard starts only writes its pid to a file and waits; the test attaches
//! instead.

#![allow(dead_code, unreachable_pub)] // each test binary uses its part, and `pub` means to the test

pub mod engine;

use std::fs;
use std::io::{BufRead, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fleet_node::control::{Control, ControlError};
use fleet_node::keeper::{GuardConfig, LoggerConfig, SupervisorConfig, guard, logger, supervisor};
use fleet_node::logs::query;
use fleet_node::logs::spool::SpoolLimits;
use fleet_proto::control::{
    self, AckEvents, Adopt, Event, Exited, Process, Release, Reply, Signal, Signalled, Spawn, Spawned, Table, event,
    reply, request, signal::Target,
};
use tokio::sync::mpsc;

const ROLE: &str = "FLEET_TEST_ROLE";
/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// The invocation of every unit of the tests.
pub const INVOCATION: &str = "00000000000000000000000000000abc";

#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    let arguments: Vec<String> = std::env::args().collect();
    let title =
        arguments.first().and_then(|name| name.strip_prefix("fleet: ")).and_then(|title| title.split(' ').next());
    let role = title.map_or_else(|| std::env::var(ROLE).unwrap_or_default(), str::to_owned);
    let code = match role.as_str() {
        "" => return,
        "guard" => run_guard(),
        "supervisor" => supervise(),
        "logger" => log(),
        "agent" => pretend_agent(),
        "notify" => notify(&arguments[1..]),
        "describe" => describe(),
        "count" => count(),
        "number" => number(&arguments[1..]),
        other => panic!("no such role: {other}"),
    };
    std::process::exit(code);
}

fn folder(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap())
}

fn run_guard() -> i32 {
    over(guard(GuardConfig {
        node: "test".to_owned(),
        state: folder("FLEET_TEST_STATE"),
        runtime: folder("FLEET_TEST_RUNTIME"),
        supervisor_argv: vec!["fleet: supervisor test".into()],
        logger_argv: vec!["fleet: logger test".into()],
        agent_argv: vec!["fleet: agent test".into()],
    }))
}

fn over(result: Result<(), fleet_node::keeper::KeeperError>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

fn supervise() -> i32 {
    let config = SupervisorConfig {
        node: "test".to_owned(),
        state: folder("FLEET_TEST_STATE"),
        runtime: folder("FLEET_TEST_RUNTIME"),
        stop_timeout: Duration::from_secs(5),
        cgroups: std::env::var_os("FLEET_TEST_NO_CGROUPS").is_none(),
    };
    over(supervisor(config))
}

fn log() -> i32 {
    over(logger(LoggerConfig {
        node: "test".to_owned(),
        state: folder("FLEET_TEST_STATE"),
        runtime: folder("FLEET_TEST_RUNTIME"),
        spool_limits: SpoolLimits { unit: 1 << 32, node: Some(1 << 34), ..SpoolLimits::default() },
    }))
}

fn pretend_agent() -> i32 {
    let path = folder("FLEET_TEST_RUNTIME").join("agents");
    let mut file = fs::File::options().append(true).create(true).open(path).unwrap();
    // In one write: whoever reads the number may kill this process before it has written the end of the line.
    file.write_all(format!("{}\n", std::process::id()).as_bytes()).unwrap();
    if std::env::var_os("FLEET_TEST_BAD_AGENT").is_some() {
        return 3;
    }
    loop {
        std::thread::park(); // until a signal
    }
}

/// Sends each argument as a message to NOTIFY_SOCKET, and stays for a moment: a sender that its parent has reaped
/// before the message is read cannot be told from a stranger.
fn notify(messages: &[String]) -> i32 {
    let address = std::env::var("NOTIFY_SOCKET").unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    for message in messages {
        if let Some(name) = address.strip_prefix('@') {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
            socket.send_to_addr(message.as_bytes(), &address).unwrap();
        } else {
            socket.send_to(message.as_bytes(), &address).unwrap();
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    0
}

/// Prints what a process is given by its parent.
fn describe() -> i32 {
    let mut descriptors: Vec<String> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let target = fs::read_link(entry.path()).unwrap();
            // The one that reads the folder.
            (!target.starts_with("/proc")).then(|| entry.file_name().to_str().unwrap().to_owned())
        })
        .collect();
    descriptors.sort();
    println!("descriptors {}", descriptors.join(" "));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for key in ["SigBlk", "SigIgn", "Uid", "Gid", "Groups", "Umask"] {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
        println!("{key} {}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    println!("directory {}", std::env::current_dir().unwrap().display());
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    println!("files {}", files.split_whitespace().skip(3).take(2).collect::<Vec<_>>().join(" "));
    println!("environment {}", std::env::vars().map(|(key, _)| key).collect::<Vec<_>>().join(" "));
    // SAFETY: asks for two numbers.
    let (session, group) = unsafe { (libc::getsid(0), libc::getpgid(0)) };
    println!("leads {}", session == group && session.cast_unsigned() == std::process::id());
    0
}

/// Prints numbered lines, as many as FLEET_TEST_LINES says, a few at a time.
fn count() -> i32 {
    let lines: u32 = std::env::var("FLEET_TEST_LINES").unwrap().parse().unwrap();
    for line in 0..lines {
        println!("line {line}");
        if line % 50 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    0
}

/// Writes numbered lines, so many with each write, and a pause of so many microseconds after it, until the file is there.
fn number(arguments: &[String]) -> i32 {
    let [block, pause, end] = arguments else { panic!("{arguments:?}") };
    let (block, pause): (u64, u64) = (block.parse().unwrap(), pause.parse().unwrap());
    let mut next = 0;
    let mut out = std::io::stdout().lock();
    while !Path::new(end).exists() {
        let text: String = (next..next + block).map(|number| format!("{number}\n")).collect();
        out.write_all(text.as_bytes()).unwrap();
        next += block;
        std::thread::sleep(Duration::from_micros(pause));
    }
    writeln!(out, "{next}").unwrap();
    7
}

/// A node and the connection to its supervisor.
pub struct Node {
    pub root: PathBuf,
    pub guard: Child,
    pub control: Control,
    pub table: Table,
    events: mpsc::Receiver<Event>,
    /// Events that were read while another one was waited for.
    passed: Vec<Event>,
}

/// How a node of a test differs from the others.
#[derive(Default, Clone, Copy)]
pub struct Options {
    pub no_cgroups: bool,
    pub bad_agent: bool,
    /// A named place (`fleet_node::keeper::point`); the file `hit` tells that somebody was there.
    pub kill_at: Option<&'static str>,
}

pub fn scratch(name: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("fleet-keeper-{}-{name}", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    root
}

pub fn start_guard(root: &Path, options: Options) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(ROLE, "guard")
        .env("FLEET_TEST_STATE", root.join("state"))
        .env("FLEET_TEST_RUNTIME", root.join("run"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    if options.no_cgroups {
        command.env("FLEET_TEST_NO_CGROUPS", "1");
    }
    if let Some(name) = options.kill_at {
        command.env("FLEET_KILL_AT", format!("{name}:{}", root.join("hit").display()));
    }
    if options.bad_agent {
        command.env("FLEET_TEST_BAD_AGENT", "1");
    }
    command.spawn().unwrap()
}

impl Node {
    pub async fn start(name: &str, options: Options) -> Self {
        let root = scratch(name);
        let guard = start_guard(&root, options);
        Self::attach(root, guard).await
    }

    pub async fn attach(root: PathBuf, guard: Child) -> Self {
        let socket = root.join("run/control.sock");
        let deadline = Instant::now() + PATIENCE;
        let (control, table, events) = loop {
            match Control::attach(&socket).await {
                // A socket may still be there that a killed one has left.
                Ok(attached) if parent_of(attached.1.supervisor_pid) == Some(guard.id()) => break attached,
                other => assert!(Instant::now() < deadline, "{:?}", other.err()),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Self { root, guard, control, table, events, passed: Vec::new() }
    }

    /// Takes over as a new agent does.
    pub async fn attach_again(&mut self) {
        let (control, table, events) = Control::attach(&self.root.join("run/control.sock")).await.unwrap();
        (self.control, self.table, self.events) = (control, table, events);
        self.passed.clear();
    }

    /// The same, once there is another supervisor than that one.
    pub async fn attach_again_after(&mut self, killed: u32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Control::attach(&self.root.join("run/control.sock")).await {
                Ok((control, table, events)) if table.supervisor_pid != killed => {
                    (self.control, self.table, self.events) = (control, table, events);
                    return self.passed.clear();
                }
                // To the one that was just killed, or on its way to it.
                other => assert!(Instant::now() < deadline, "{:?}", other.err()),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub async fn request(&self, request: request::Request) -> Result<Reply, ControlError> {
        tokio::time::timeout(PATIENCE, self.control.request(request)).await.expect("the supervisor answers")
    }

    pub async fn spawn(&self, spawn: Spawn) -> Result<Spawned, ControlError> {
        match self.request(request::Request::Spawn(spawn)).await?.reply {
            Some(reply::Reply::Spawned(spawned)) => Ok(spawned),
            other => panic!("{other:?}"),
        }
    }

    pub async fn signal(&self, unit: &str, target: Target, signal: i32) -> Signalled {
        let request = Signal { unit: unit.to_owned(), signal, target: target.into() };
        match self.request(request::Request::Signal(request)).await.unwrap().reply {
            Some(reply::Reply::Signalled(signalled)) => signalled,
            other => panic!("{other:?}"),
        }
    }

    pub async fn adopt(&self, unit: &str, pid: u32) -> Result<Process, ControlError> {
        let adopt = Adopt { unit: unit.to_owned(), pid, role: "main".to_owned() };
        match self.request(request::Request::Adopt(adopt)).await?.reply {
            Some(reply::Reply::Adopted(process)) => Ok(process),
            other => panic!("{other:?}"),
        }
    }

    pub async fn release(&self, unit: &str, remove: &[&Path], forget: bool) {
        let remove_directories = remove.iter().map(|path| path.to_str().unwrap().to_owned()).collect();
        let release = Release { unit: unit.to_owned(), remove_directories, forget, of_root: true };
        self.request(request::Request::Release(release)).await.unwrap();
    }

    pub async fn acknowledge(&self, through: u64) {
        self.request(request::Request::AckEvents(AckEvents { through })).await.unwrap();
    }

    /// The next event that `wanted` takes; others are kept for later calls.
    pub async fn event<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        if let Some(index) = self.passed.iter().position(|event| wanted(event).is_some()) {
            return wanted(&self.passed.remove(index)).unwrap();
        }
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event").expect("connected");
            self.acknowledge(event.id).await;
            match wanted(&event) {
                Some(found) => return found,
                None => self.passed.push(event),
            }
        }
    }

    /// The next event whatever it is, not acknowledged.
    pub async fn any_event(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event").expect("connected")
    }

    pub async fn exited(&mut self, pid: u32) -> Exited {
        self.event(|event| match &event.event {
            Some(event::Event::Exited(exited)) if exited.pid == pid => Some(exited.clone()),
            _ => None,
        })
        .await
    }

    pub async fn emptied(&mut self, unit: &str) {
        self.event(|event| (event.unit == unit && matches!(event.event, Some(event::Event::Emptied(_)))).then_some(()))
            .await;
    }

    pub async fn notified(&mut self, unit: &str) -> control::Notified {
        self.event(|event| match &event.event {
            Some(event::Event::Notified(notified)) if event.unit == unit => Some(notified.clone()),
            _ => None,
        })
        .await
    }

    /// Pids of the agents that were started so far.
    pub fn agents(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.root.join("run/agents")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// The lines the unit has written, both streams and the daemon's own, in the order they were read.
    pub fn lines(&self, unit: &str) -> Vec<String> {
        let (node, unit) = ("test".parse().unwrap(), unit.parse().unwrap());
        let records = query::read(&self.root.join("state/spool"), &node, &unit, query::Query::default()).unwrap();
        records.into_iter().map(|record| String::from_utf8(record.message).unwrap()).collect()
    }

    /// Waits until the unit has written so many lines: those of the daemon's own are stored a moment after it was asked.
    pub fn wait_for_lines(&self, unit: &str, count: usize) -> Vec<String> {
        wait_for(|| Some(self.lines(unit)).filter(|lines| lines.len() >= count))
    }

    /// The same as one text.
    pub fn spooled(&self, unit: &str) -> String {
        self.lines(unit).into_iter().map(|line| line + "\n").collect()
    }

    /// The node leaves by SIGTERM; gives what it said.
    pub fn leave(mut self) -> String {
        kill(self.guard.id(), libc::SIGTERM);
        let status = wait_for(|| self.guard.try_wait().unwrap());
        assert!(status.success(), "{status}");
        let said = std::io::BufReader::new(self.guard.stderr.take().unwrap());
        let said = said.lines().map(Result::unwrap).collect::<Vec<_>>().join("\n");
        fs::remove_dir_all(&self.root).unwrap();
        said
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.guard.try_wait().is_ok_and(|status| status.is_none()) {
            kill(self.guard.id(), libc::SIGTERM); // a test failed; leave nothing behind
            let _ = self.guard.wait();
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

pub fn kill(pid: u32, signal: i32) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid.cast_signed(), signal) };
}

pub fn parent_of(pid: u32) -> Option<u32> {
    fleet_node::kernel::process::stat(pid).ok().map(|stat| stat.parent)
}

/// The node's process of this role, started by that guard; waits for it.
pub fn process_of(guard: u32, role: &str) -> u32 {
    let title = format!("fleet: {role} test");
    let is_it = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).next() == Some(title.as_bytes())
    };
    wait_for(|| {
        let all = fleet_node::kernel::process::all().unwrap();
        let mut children = all.iter().filter(|stat| stat.parent == guard && !stat.is_zombie());
        children.find(|stat| is_it(stat.pid)).map(|stat| stat.pid)
    })
}

pub fn alive(pid: u32) -> bool {
    fleet_node::kernel::process::stat(pid).is_ok_and(|stat| !stat.is_zombie())
}

/// Waits until `look` finds something.
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A number that a unit writes to a file.
pub fn pid_in(path: &Path) -> u32 {
    wait_for(|| fs::read_to_string(path).ok()?.strip_suffix('\n')?.parse().ok())
}

pub fn is_root() -> bool {
    // SAFETY: asks for a number.
    unsafe { libc::geteuid() == 0 }
}

/// A process of a unit that runs a shell script.
pub fn shell(unit: &str, script: &str) -> Spawn {
    Spawn { program: "/bin/sh".to_owned(), argv: ["sh", "-c", script].map(str::to_owned).to_vec(), ..plain(unit) }
}

/// A process of a unit that plays a role of this binary.
pub fn role(unit: &str, role: &str, arguments: &[&str]) -> Spawn {
    let mut spawn = Spawn { own_binary: true, argv: vec!["role".to_owned()], ..plain(unit) };
    spawn.argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    spawn.environment.push(format!("{ROLE}={role}"));
    spawn
}

/// The command of a shell script that plays a role of this binary.
pub fn role_command(role: &str) -> String {
    format!("{ROLE}={role} {}", std::env::current_exe().unwrap().display())
}

fn plain(unit: &str) -> Spawn {
    Spawn {
        unit: unit.to_owned(),
        role: "main".to_owned(),
        invocation_id: INVOCATION.to_owned(),
        environment: vec!["PATH=/usr/bin:/bin".to_owned(), format!("INVOCATION_ID={INVOCATION}")],
        umask: 0o022,
        ignore_sigpipe: true,
        notify: true,
        ..Spawn::default()
    }
}
