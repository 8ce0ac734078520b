//! The node daemon.

pub mod agent;
pub mod claims;
pub mod config;
pub mod control;
pub mod facts;
pub mod health;
pub mod http;
pub mod keeper;
pub mod kernel;
pub mod link;
pub mod local;
pub mod logs;
pub mod policy;
pub mod reconcile;
pub mod report;
pub mod stored;
pub mod supervise;
