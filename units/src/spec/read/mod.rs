//! Effective assignments -> typed sections: one file per family of directives.
//!
//! Each `row` function reads one directive into its type and says whether it knew it; a test asks all of them for
//! every supported row of the table.

pub(super) mod checks;
pub(super) mod exec;
pub(super) mod fleet;
pub(super) mod health;
pub(super) mod kill;
pub(super) mod kind;
pub(super) mod service;
pub(super) mod socket;
pub(super) mod socket_checks;
pub(super) mod timer;
pub(super) mod unit;
