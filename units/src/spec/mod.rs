//! A unit as understood: drop-ins and overlay merged, every value typed.
//!
//! ```text
//! UnitName + EnvironmentName + Bundle --load::load--> UnitSpec + Diagnostics
//! ```
//! `directives` is THE table of what is known; `load` drives it; the other files hold one section's types.

mod command;
pub mod condition;
pub mod details;
pub mod directives;
pub mod effective;
pub mod exec;
pub mod health;
pub mod isolation;
pub mod keyword;
pub(crate) mod layers;
pub mod listen;
pub mod load;
mod merge;
pub mod placement;
mod read;
mod reader;
pub mod resources;
pub mod service;
pub mod signal;
pub mod socket;
pub mod special;
pub mod timer;
pub mod unit;
pub mod value;
mod values;

pub use exec::{Directories, ExecCommand, ExecSpec};
pub use health::{HealthCheck, HealthSpec};
pub use layers::suffix_of;
pub use listen::{Listen, SocketAddress};
pub use load::{Context, Loaded, load};
pub use placement::{DeliveredFile, FilesChange, FleetSection, Instances, Percent, RolloutFailure, Start, Strategy};
pub use read::health::health_port;
pub use service::{KillMode, KillSpec, NotifyAccess, Restart, ServiceSpec, ServiceType};
pub use socket::{SocketOptions, SocketSpec};
pub use timer::{TimerSpec, TimerTrigger};
pub use unit::{KindSpec, UnitSpec};
pub use values::Values;
