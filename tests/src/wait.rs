//! Waiting for something to become true, instead of sleeping.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(25);

/// Waits up to 60 s until `look` gives a value; panics with `what` and its last complaint.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    within(Duration::from_secs(60), what, look)
}

/// Waits up to `limit` until `look` gives a value; panics with `what` and its last complaint.
pub fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(complaint) if began.elapsed() > limit => {
                panic!("{what}: not within {} s; last seen: {complaint}", limit.as_secs())
            }
            Err(_) => std::thread::sleep(STEP),
        }
    }
}
