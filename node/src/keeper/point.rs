//! Named places at which a test has a process killed. In builds without debug assertions there are none.
//!
//! `FLEET_KILL_AT=NAME:FILE` in the guard's environment: the first process that comes to the place of that name makes the
//! file, by which the test knows that it was there, and is killed as by `kill -9`.

/// A place.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str) {
    let Ok(wanted) = std::env::var("FLEET_KILL_AT") else { return };
    let Some((_, file)) = wanted.split_once(':').filter(|(wanted, _)| *wanted == name) else { return };
    if std::fs::File::create_new(file).is_ok() {
        // SAFETY: no memory is involved.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}

/// A place.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_name: &str) {}
