//! Hosts of their own on this machine: a network namespace each, joined by a bridge in one more, and a mount namespace
//! with a private /run and copy-on-write /var/lib and /var/log. Needs root and iproute2. Nothing of the machine's own
//! network is touched.

use rustix::process::{Pid, Signal};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Why hosts cannot be made here; `None` when they can.
#[must_use]
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it makes network namespaces, which needs root".to_owned());
    }
    ["ip", "nsenter", "setpriv", "unshare", "mount"]
        .into_iter()
        .find(|tool| Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err())
        .map(|tool| format!("`{tool}` is not installed"))
}

/// A bridge in a network namespace of its own.
#[derive(Debug)]
pub struct Lan {
    switch: String,
    number: u32,
}

/// One host on a [`Lan`]. It ends with its last clone, and every process on it.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its address on the bridge.
    pub address: String,
    switch: String,
    port: String,
    namespaces: Arc<Namespaces>,
}

#[derive(Debug)]
struct Namespaces {
    network: String,
    /// Holds the mount namespace open.
    holder: Child,
}

impl Lan {
    /// Makes a bridge.
    #[must_use]
    pub fn new() -> Lan {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let switch = format!("fleet-{}-{number}", std::process::id());
        ip(&["netns", "add", &switch]);
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"]);
        ip(&["-n", &switch, "link", "set", "br0", "up"]);
        Lan { switch, number }
    }

    /// Adds a host. `last` is the last byte of its address.
    #[must_use]
    pub fn host(&self, last: u8) -> Host {
        let namespace = format!("{}-{last}", self.switch);
        let port = format!("p{last}");
        let address = format!("10.77.{}.{last}", self.number % 250);
        ip(&["netns", "add", &namespace]);
        ip(&["-n", &self.switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
        ip(&["-n", &self.switch, "link", "set", &port, "master", "br0", "up"]);
        ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        let holder = hold_mounts(&namespace);
        let namespaces = Arc::new(Namespaces { network: namespace, holder });
        Host { address, switch: self.switch.clone(), port, namespaces }
    }
}

impl Default for Lan {
    fn default() -> Self {
        Lan::new()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.switch]);
    }
}

impl Host {
    /// A command that runs on this host.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.namespaces.holder.id().to_string();
        command.args(["--target", &pid, "--net", "--mount", "--", program]);
        command
    }

    /// Runs a command on this host and gives its output.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().expect("nsenter runs")
    }

    /// The processes on this host: pid and command line. Zombies are not among them.
    #[must_use]
    pub fn processes(&self) -> Vec<(u32, String)> {
        self.namespaces.processes()
    }

    /// Takes the cgroup tree away, as on a host whose nodes may not have one.
    pub fn hide_cgroups(&self) {
        let output = self.run("umount", &["--lazy", "/sys/fs/cgroup"]);
        assert!(output.status.success(), "umount: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Pulls the cable.
    pub fn cut(&self) {
        ip(&["-n", &self.switch, "link", "set", &self.port, "down"]);
    }

    /// Plugs it in again.
    pub fn heal(&self) {
        ip(&["-n", &self.switch, "link", "set", &self.port, "up"]);
    }
}

impl Namespaces {
    fn processes(&self) -> Vec<(u32, String)> {
        let output = Command::new("ip").args(["netns", "pids", &self.network]).output().expect("ip runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let pids = text.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid != self.holder.id());
        let named = pids.map(|pid: u32| (pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline"))));
        // Without a command line it is a zombie, or gone by now.
        let alive = named.filter_map(|(pid, text)| Some((pid, text.ok()?))).filter(|(_, text)| !text.is_empty());
        alive.map(|(pid, text)| (pid, text.replace('\0', " "))).collect()
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // What a failed test left. It may fork meanwhile, so until nothing is found.
        loop {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            for pid in left.iter().filter_map(|(pid, _)| Pid::from_raw(i32::try_from(*pid).ok()?)) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            std::thread::yield_now();
        }
        // Ended already: then there is nothing to end.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        ip(&["netns", "delete", &self.network]);
    }
}

/// A process that sits in fresh mounts: /run is empty, changes to /var/lib and /var/log stay private.
fn hold_mounts(namespace: &str) -> Child {
    const MOUNTS: &str = "
        set -e
        mount -t tmpfs tmpfs /mnt
        for name in lib log; do
            mkdir -p /mnt/$name/upper /mnt/$name/work
            mount -t overlay overlay -o lowerdir=/var/$name,upperdir=/mnt/$name/upper,workdir=/mnt/$name/work /var/$name
        done
        mount -t tmpfs -o mode=755 tmpfs /run
        echo ready
        exec sleep infinity";
    // Not `ip netns exec`: that hides the cgroup tree behind a fresh /sys.
    let mut holder = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "nsenter"])
        .args([&format!("--net=/run/netns/{namespace}"), "unshare", "--mount", "--propagation", "private"])
        .args(["sh", "-c", MOUNTS])
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv runs");
    let mut line = String::new();
    let stdout = holder.stdout.as_mut().expect("piped above");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("the holder's output is read");
    assert_eq!(line.trim(), "ready", "the mounts of a host could not be made");
    holder
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip runs");
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}
