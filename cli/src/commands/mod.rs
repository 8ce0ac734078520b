//! The verbs, one file each: an arguments struct whose comments are the help, and one function.
//! `*_view`, `*_table`, `log_line`, `unit_name`, `confirm` and `converge` are what several verbs share.

pub(crate) mod act;
pub(crate) mod completions;
mod confirm;
pub(crate) mod context;
mod converge;
pub(crate) mod down;
pub(crate) mod events;
pub(crate) mod explain;
mod follow;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod join;
pub(crate) mod lint;
mod log_line;
pub(crate) mod logs;
pub(crate) mod node;
pub(crate) mod node_run;
mod node_view;
pub(crate) mod nodes;
pub(crate) mod plan;
mod plan_view;
pub(crate) mod promote;
pub(crate) mod render;
pub(crate) mod rollback;
pub(crate) mod sample_service;
pub(crate) mod server;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod token;
mod unit_name;
mod unit_table;
pub(crate) mod up;
