//! The gRPC surface: one file per service; `auth` decides who may call what, before any handler runs.

pub mod auth;
pub mod enroll;
pub mod node;
pub mod operator;
pub mod renew;
mod tokens;
mod verbs;

use certs::peer::PeerIdentity;
use fleet_certs as certs;
use fleet_units::diagnostic::did_you_mean;
use fleet_units::ids::EnvironmentName;
use tonic::{Request, Status};

/// Who calls, by certificate. The authorization layer put it there; without it nothing is allowed.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<PeerIdentity, Status> {
    request
        .extensions()
        .get::<PeerIdentity>()
        .cloned()
        .ok_or_else(|| Status::unauthenticated("this needs a client certificate of the fleet"))
}

/// An environment that is none: whoever asked is told what there is. INVALID_ARGUMENT, since the chain is configuration:
/// it is a word of the command line that is wrong.
pub(crate) fn no_environment<'a>(wanted: &str, known: impl IntoIterator<Item = &'a EnvironmentName>) -> Status {
    let not_found = not_found("environment", wanted, known.into_iter().map(EnvironmentName::as_str));
    Status::invalid_argument(not_found.message())
}

/// NOT_FOUND that names the nearest of what there is, or all of it.
pub(crate) fn not_found<'a>(what: &str, wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Status {
    let known: Vec<&str> = known.into_iter().collect();
    let mut message = format!("there is no {what} named {wanted:?}");
    match did_you_mean(wanted, known.iter().copied()) {
        Some(near) => message.push_str(&format!("\nhint: did you mean {near}?")),
        None if known.is_empty() => {}
        None => message.push_str(&format!("\nhint: there are: {}", known.join(", "))),
    }
    Status::not_found(message)
}
