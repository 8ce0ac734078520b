//! Cases with a real guard, supervisor and processes.
//!
//! A transcript has each step and what it shows. Steps: `apply [next]`, `start|stop|restart|reload UNIT` (waits for the
//! job), `until UNIT STATE[|STATE]`, `wait SPAN`, `log UNIT` (what it wrote: `out …`, `err …`), `health UNIT` (and its
//! state), `limit UNIT NAME VALUE` (whether a limit of its main process is this, or listed as not enforced), `file PATH` (the mode of `{root}/PATH`), `alive PATH` (the process whose number
//! `{root}/PATH` holds), `main UNIT PATH` (whether that is the unit's main one), `write PATH TEXT`. `{root}` is a folder
//! of the run, `{port}` a listener that answers `/good` with 200, `/hang` never, and everything else with 500.

use super::keeper_support::engine::{Host1, host, load_bundle};
use super::keeper_support::{alive, is_root, pid_in};
use fleet_node::logs::query::{self, Query};
use fleet_node::supervise::{Act, Assigned, UnitAct};
use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::ids::UnitName;
use fleet_units::log_record::Stream;
use fleet_units::spec::value::time_span;
use fleet_units::status::UnitStatus;
use fleet_units::testing::effect_case::{Files, Run};
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Runs at once: each has four processes of its own and waits most of the time.
const AT_ONCE: usize = 6;
/// How long a unit may take to get where a step waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn directives_do_to_processes_what_their_cases_say() {
    let port = listen().await;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = Vec::new();
    for case in super::cases("processes") {
        if case.needs_root && !is_root() {
            eprintln!("SKIP {}: not root", case.name.replace('/', "_"));
            continue;
        }
        for run in case.runs() {
            let slots = slots.clone();
            let name = format!("directives-{}", tasks.len());
            tasks.push(tokio::spawn(async move {
                let _slot = slots.acquire().await.unwrap();
                let seen = play(&run, &name, port).await;
                run.complaint(&seen)
            }));
        }
    }
    let runs = tasks.len();
    let mut complaints = Vec::new();
    for task in tasks {
        complaints.extend(task.await.unwrap());
    }
    assert!(runs > 0 && complaints.is_empty(), "{} of {runs} runs:\n{}", complaints.len(), complaints.join("\n"));
}

async fn listen() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    port
}

async fn answer(mut stream: TcpStream) {
    let mut request = [0; 1024];
    let length = stream.read(&mut request).await.unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let status = match request.split(' ').nth(1) {
        Some("/good") => "200 OK",
        Some("/hang") => return tokio::time::sleep(Duration::from_secs(60)).await,
        _ => "500 No",
    };
    // A probe that only connects does not wait for it.
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
}

async fn play(run: &Run, name: &str, port: u16) -> String {
    let mut play = Play { run, host: host(name).await, port, transcript: String::new() };
    for step in &run.steps {
        writeln!(play.transcript, "> {step}").unwrap();
        play.step(step).await;
    }
    play.host.handle.stop_all().await;
    let root = play.host.root.display().to_string();
    play.transcript.replace(&root, "{root}").replace(&format!(":{port}"), ":{port}")
}

struct Play<'a> {
    run: &'a Run,
    host: Host1,
    port: u16,
    transcript: String,
}

impl Play<'_> {
    async fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.splitn(3, ' ').collect();
        match words.as_slice() {
            ["apply"] => self.apply(self.run.files.clone()).await,
            ["apply", "next"] => {
                let mut files = self.run.files.clone();
                files.extend(self.run.next.clone());
                self.apply(files).await;
            }
            ["start", unit] => self.act(unit, UnitAct::Start).await,
            ["stop", unit] => self.act(unit, UnitAct::Stop(None)).await,
            ["restart", unit] => self.act(unit, UnitAct::Restart).await,
            ["reload", unit] => self.act(unit, UnitAct::Reload).await,
            ["until", unit, states] => self.until(unit, states).await,
            ["wait", span] => tokio::time::sleep(time_span(span).unwrap().expect("a finite span")).await,
            ["log", unit] => self.log(unit),
            ["health", unit] => {
                let status = self.status(unit).expect("it was applied");
                self.say(format!("{}, {} {}", status.health.as_str(), status.sub_state, status.result));
            }
            ["limit", unit, limit] => self.limit(unit, limit),
            ["file", path] => self.file(path),
            ["alive", path] => {
                let runs = alive(pid_in(&self.host.path(path)));
                self.say(if runs { "it runs" } else { "it is gone" }.to_owned());
            }
            ["main", unit, path] => {
                let named = pid_in(&self.host.path(path));
                let is_main = self.status(unit).is_some_and(|status| status.main_pid == named);
                self.say(if is_main { "it is the main process" } else { "it is another process" }.to_owned());
            }
            ["write", path, text] => std::fs::write(self.host.path(path), format!("{text}\n")).unwrap(),
            _ => panic!("{}: {step:?} is no step", self.run.label),
        }
    }

    fn say(&mut self, line: String) {
        writeln!(self.transcript, "{}", line.trim_end()).unwrap();
    }

    fn status(&self, unit: &str) -> Option<UnitStatus> {
        self.host.handle.statuses().borrow().get(&unit.parse::<UnitName>().unwrap()).cloned()
    }

    async fn apply(&mut self, files: Files) {
        let root = self.host.root.display().to_string();
        let filled =
            |text: &String| text.replace("{root}", &root).replace("{port}", &self.port.to_string()).into_bytes();
        let files = files.iter().map(|(path, text)| (path.clone(), SourceFile::new(false, filled(text)))).collect();
        let bundle = Bundle { files };
        let names = bundle.files.keys().filter_map(|path| path.strip_prefix("units/")?.parse::<UnitName>().ok());
        let units: Vec<Assigned> = names.map(|unit| load_bundle(&unit, bundle.clone())).collect();
        self.host.apply(units).await;
    }

    async fn act(&mut self, unit: &str, action: UnitAct) {
        let (who, why) = ("ann".to_owned(), String::new());
        let asked = Act { unit: unit.parse().unwrap(), action, who, why, no_block: false };
        let result = self.host.handle.act(asked).await;
        if !result.ok {
            self.say(format!("refused: {}", result.error));
        }
    }

    async fn until(&mut self, unit: &str, states: &str) {
        let name: UnitName = unit.parse().unwrap();
        let mut statuses = self.host.handle.statuses();
        let there = statuses.wait_for(|all| {
            all.get(&name).is_some_and(|status| states.split('|').any(|state| state == status.sub_state))
        });
        let reached = tokio::time::timeout(PATIENCE, there).await.is_ok();
        let status = self.status(unit).expect("it was applied");
        let what = if reached { "it is" } else { "it stays" };
        self.say(format!("{what} {} {}", status.sub_state, status.result));
    }

    fn log(&mut self, unit: &str) {
        let (node, unit) = ("test".parse().unwrap(), unit.parse().unwrap());
        let records = query::read(&self.host.path("state/spool"), &node, &unit, Query::default()).unwrap();
        for record in records {
            let stream = match record.stream {
                Stream::Stdout => "out",
                Stream::Stderr => "err",
                Stream::Fleet => continue,
            };
            self.say(format!("{stream} {}", String::from_utf8_lossy(&record.message)));
        }
    }

    /// A hard limit of the host may be lower than what is asked for; then the unit says so.
    fn limit(&mut self, unit: &str, limit: &str) {
        let (name, value) = limit.split_once(' ').expect("limit UNIT NAME VALUE");
        let row = match name {
            "NICE" => "Max nice priority",
            "RTPRIO" => "Max realtime priority",
            _ => panic!("{}: no row of /proc/PID/limits is known for {name}", self.run.label),
        };
        let status = self.status(unit).expect("it was applied");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", status.main_pid)).unwrap();
        let soft = limits.lines().find_map(|line| line.strip_prefix(row)?.split_whitespace().next());
        let listed =
            status.unenforced.iter().any(|unenforced| unenforced.directive.starts_with(&format!("Limit{name}")));
        let there = soft == Some(value) || listed;
        self.say(if there { "it is this, or listed" } else { "it is not this" }.to_owned());
    }

    fn file(&mut self, path: &str) {
        match std::fs::symlink_metadata(self.host.path(path)) {
            Ok(found) => self.say(format!("{:o}", found.mode() & 0o7777)),
            Err(error) => self.say(error.kind().to_string()),
        }
    }
}
