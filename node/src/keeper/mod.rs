//! The process that outlives the agent: the supervisor.

pub(crate) mod frame;

pub use frame::FrameError;
