//! When a timer elapses next (systemd.timer(5)): plain functions of what the timer says and what has happened.
//!
//! ```text
//! TimerSpec + Situation + Zones --next--> Next: waits until …, or has elapsed for good
//! ```
//! Monotonic triggers count on a clock that never jumps, calendar events on the wall clock; both are looked at anew
//! whenever something they depend on happens, and after the wall clock was set.

mod calendar;
mod next;
mod window;

pub use calendar::{Zones, next_event};
pub use next::{Next, Situation, Stamp, next};
pub use window::{delay, settle};
