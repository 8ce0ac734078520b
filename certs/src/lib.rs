//! Identity: who is who in a fleet, and how two of them talk without anyone else.
//!
//! ```text
//! authority   root + issuing CA; signs a CSR for an identity *we* name         (coordinator's host)
//! join_token  the text that lets a new node in, and what is kept of it          (coordinator, node)
//! keystore    key, chain and roots of one holder, replaced as one generation    (everyone)
//! identity    spiffe://DOMAIN/… <-> Identity; peer = identity read from a leaf
//! clock       the time certificates are judged by; never earlier than what was seen
//! tls         server and client configurations: TLS 1.3, h2, no resumption
//! client      dials the coordinator: a tonic channel, and errors people can act on
//! port        listens, and names the holder of a port that is taken
//! renewal     when a leaf is renewed, and the task that does it
//! enroll      the node's side of joining
//! ```
//! Keys are ECDSA P-256 and are made where they are used; only requests and certificates travel.

pub mod authority;
pub mod client;
pub mod clock;
pub mod enroll;
mod files;
pub mod identity;
pub mod join_token;
pub mod keystore;
pub mod peer;
pub mod port;
pub mod renewal;
pub mod socket;
pub mod tls;
mod verify;
