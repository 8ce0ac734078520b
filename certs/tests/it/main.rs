//! Identities as a whole: authorities that sign, keystores that survive, links over real TLS on loopback.

mod authority;
mod keystore;
mod link;
mod renewal;
mod world;
