//! The coordinator's listeners over real TLS on loopback: who gets in, who may call what, what is cut, what is bounded.

mod calls;
mod enrolment;
mod limits;
mod renewal;
mod revocation;
mod stub;
mod world;
