//! What a host says of itself, in the shape a condition compares with.

use std::collections::{BTreeMap, BTreeSet};

/// The answer to one condition's question. [`super::holds()`] says which shape a subject needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It is so, or not: what a path is, whether a module is loaded.
    Is(bool),
    /// One word: an architecture.
    Text(String),
    /// A count: bytes of memory, CPUs, bits of the capability bounding set, pressure in hundredths of a percent.
    Number(u64),
    /// Words that are there: of the kernel command line, `NAME=value` of the environment, CPU features, controllers.
    Words(BTreeSet<String>),
    /// Values by name: os-release, versions by component, SMBIOS fields.
    Fields(BTreeMap<String, String>),
    /// Who somebody is: names and ids. Of a host its name and its machine, boot and product id (32 lower-case
    /// hexadecimal digits); of a user or group its names and numbers.
    Named {
        /// Names.
        names: BTreeSet<String>,
        /// Ids.
        ids: BTreeSet<String>,
    },
}

impl Fact {
    /// Words from anything that gives some.
    pub fn words<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Fact {
        Fact::Words(words.into_iter().map(Into::into).collect())
    }
}
