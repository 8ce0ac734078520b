//! What the node asks of the kernel: processes, control groups, limits, folders.
//!
//! Thin and without policy; the supervisor (`crate::keeper`) decides what to call when. Most of [`child`] runs between
//! fork and exec. There is no fake: these few calls are tested against the real kernel, and what decides about their
//! results is tested on plain values.

pub mod boot;
pub mod cgroup;
pub(crate) mod child;
pub mod clock;
pub mod directory;
pub mod limits;
pub mod process;
pub mod regular;
pub(crate) mod signals;
pub(crate) mod spawn;
pub(crate) mod wait;
