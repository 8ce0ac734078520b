//! A unit that tells when it began: the first thing it does is to read `CLOCK_MONOTONIC`.
//!
//! `stamp FILE` appends `NANOSECONDS $COMMIT` to FILE and waits to be ended; `stamp FILE --once` ends by itself;
//! `stamp FILE --say` writes the clock to stdout twice a second as well.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let began = now();
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or_else(|| std::io::Error::other("usage: stamp FILE [--once|--say]"))?;
    let mode = arguments.next().unwrap_or_default();
    let commit = std::env::var("COMMIT").unwrap_or_default();
    // One write, so that lines of several processes never mix.
    let line = format!("{began} {commit}\n");
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())?;
    if mode == "--once" {
        return Ok(());
    }
    loop {
        if mode == "--say" {
            println!("{}", now());
            std::thread::sleep(Duration::from_millis(500));
        } else {
            std::thread::park();
        }
    }
}

fn now() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
