//! Identity: authority, leaves, join tokens, TLS configuration.

pub mod authority;
pub mod client;
pub mod identity;
pub mod join_token;
pub mod keystore;
pub mod peer;
pub mod renewal;
pub mod tls;
