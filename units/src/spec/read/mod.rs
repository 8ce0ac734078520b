//! Effective assignments -> typed sections: one file per family of directives.
//!
//! Each `row` function reads one directive into its type and says whether it knew it; a test asks all of them for
//! every supported row of the table.

pub(super) mod checks;
pub(super) mod condition;
pub(super) mod details;
pub(super) mod exec;
pub(super) mod fleet;
pub(super) mod health;
pub(super) mod isolation;
pub(super) mod kill;
pub(super) mod kind;
pub(super) mod process;
pub(super) mod resources;
pub(super) mod service;
pub(super) mod socket;
pub(super) mod socket_checks;
mod socket_options;
pub(super) mod timer;
pub(super) mod unit;

/// Reads into a part of a specification that few units have: it is made when there is something to keep.
pub(super) fn within<T: Default + PartialEq>(part: &mut Option<Box<T>>, read: impl FnOnce(&mut T) -> bool) -> bool {
    if let Some(part) = part {
        return read(part);
    }
    let mut fresh = Box::<T>::default();
    let known = read(&mut fresh);
    *part = Some(fresh).filter(|fresh| **fresh != T::default());
    known
}
