//! Whether a start may go on: `Condition*=` and `Assert*=` against what a host says of itself.
//!
//! ```text
//! Condition --ask (the node reads)--> Fact --holds--> bool, per condition
//! Conditions + answers --judge--> Judgement
//! ```
//! Rules of systemd.unit(5), "Conditions and Asserts". Asking costs time and may touch slow file systems: a condition is
//! asked for only when those before it left the verdict open.

mod compare;
mod fact;
mod holds;
mod judge;
mod pattern;

pub use compare::Operator;
pub use fact::Fact;
pub use holds::{Pressure, Window, holds, smbios_field};
pub use judge::{Judgement, Verdict, judge};
