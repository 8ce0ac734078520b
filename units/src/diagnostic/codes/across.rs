//! What is found by looking at several units.

use super::{Code, error, warning};

pub(super) const CODES: &[Code] = &[
    warning(
        "dependency-not-in-set",
        "A unit needs or wants one that this environment does not have.",
        "Add it, or correct the name. If the host has it, nothing is wrong.",
    ),
    error(
        "ordering-cycle",
        "Units wait for each other: each starts after the next.",
        "Take one `After=` or `Before=` of the cycle away.",
    ),
    error("duplicate-alias", "Two units have one name.", "Take one `Alias=` away."),
    warning(
        "port-claimed-twice",
        "Two units of an environment have health checks on the same port of their node.",
        "Give one another port, or other nodes.",
    ),
];
