//! The verbs, one file each: an arguments struct whose comments are the help, and one function.

pub(crate) mod completions;
pub(crate) mod context;
