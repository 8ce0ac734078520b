//! The coordinator.

pub mod api;
pub mod config;
pub mod http;
pub mod journal;
pub mod listen;
pub mod logs;
pub mod reconcile;
pub mod sessions;
pub mod source;
pub mod store;
