//! Requests to the nginx of one host, one after the other, while something happens to the fleet.

use fleet_tests::hosts::Host;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two requests.
const PACE: Duration = Duration::from_millis(50);

pub(crate) struct Traffic {
    over: Arc<AtomicBool>,
    /// There until it is joined.
    worker: Option<JoinHandle<(usize, Vec<String>)>>,
}

impl Traffic {
    pub(crate) fn start(host: &Host) -> Traffic {
        let over = Arc::new(AtomicBool::new(false));
        let (host, ends) = (host.clone(), over.clone());
        let worker = std::thread::spawn(move || {
            let (mut good, mut bad) = (0, Vec::new());
            while !ends.load(Ordering::Relaxed) {
                let output = host.run("curl", &["-sSf", "--max-time", "5", "http://127.0.0.1:8080/health"]);
                if output.status.success() {
                    good += 1;
                } else {
                    bad.push(String::from_utf8_lossy(&output.stderr).into_owned());
                }
                std::thread::sleep(PACE);
            }
            (good, bad)
        });
        Traffic { over, worker: Some(worker) }
    }

    /// Stops, and fails if a request failed.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let (good, bad) = self.join().expect("it is joined once, and makes requests");
        assert!(bad.is_empty(), "{} of {} requests failed: {bad:?}", bad.len(), good + bad.len());
        assert!(good > 0, "there were requests");
    }

    fn join(&mut self) -> Option<(usize, Vec<String>)> {
        self.over.store(true, Ordering::Relaxed);
        self.worker.take()?.join().ok()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        // Of a failed test: the worker holds the host.
        let _ = self.join();
    }
}
