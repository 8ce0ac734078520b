//! `fleet up` and `fleet down`: a whole fleet on this machine, below one folder.
//!
//! ```text
//! up --(first time) setup--> D/server, D/config
//!    --keeper--> fleet server run, fleet node run (each a process of its own; one that dies is started again)
//! down --SIGTERM--> keeper --SIGTERM--> nodes (stop their units in order), then the coordinator
//! ```
//! D: `fleet.json` (ports, nodes), `lock` (the keeper's pid), `server/`, `nodes/NAME/`, `config/` (a working clone),
//! `up.log` (a detached keeper's words).

pub(crate) mod daemon;
pub(crate) mod enlist;
pub(crate) mod keeper;
pub(crate) mod layout;
pub(crate) mod repository;
pub(crate) mod settings;
pub(crate) mod setup;
