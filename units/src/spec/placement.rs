//! `[X-Fleet]`: placement, rollout, delivery. Keys and defaults are those of the documentation's table.

use super::keyword::keywords;
use crate::ids::EnvironmentName;
use crate::selector::Selector;
use std::time::Duration;

/// `[X-Fleet]` as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetSection {
    /// `Nodes=`; default all nodes of the environment.
    pub nodes: Selector,
    /// `Instances=`; default all.
    pub instances: Instances,
    /// `Start=`; default auto.
    pub start: Start,
    /// `Strict=`: refuse the unit where something would be unenforced.
    pub strict: bool,
    /// `Spread=`: the label its instances are spread over.
    pub spread: Option<String>,
    /// `Singleton=`: never two at once, even when a node is lost.
    pub singleton: bool,
    /// `Gpus=`: GPUs it needs; default 0.
    pub gpus: u32,
    /// `Strategy=`; default rolling.
    pub strategy: Strategy,
    /// `Canary=`: nodes that get a new revision first; default 0.
    pub canary: u32,
    /// `OnRolloutFailure=`; default pause, and none in the environment develop.
    pub on_rollout_failure: RolloutFailure,
    /// `MaxParallel=`: nodes that get a new revision at once; default 25 %.
    pub max_parallel: Percent,
    /// `MinHealthySec=`; default 10 s.
    pub min_healthy: Duration,
    /// `HealthDeadlineSec=`; default 300 s.
    pub health_deadline: Duration,
    /// `Files=`
    pub files: Vec<DeliveredFile>,
    /// `FilesChange=`; default auto.
    pub files_change: FilesChange,
}

impl Default for FleetSection {
    fn default() -> Self {
        FleetSection {
            nodes: Selector::default(),
            instances: Instances::All,
            start: Start::Auto,
            strict: false,
            spread: None,
            singleton: false,
            gpus: 0,
            strategy: Strategy::default(),
            canary: 0,
            on_rollout_failure: RolloutFailure::default(),
            max_parallel: Percent::Percent(25),
            min_healthy: Duration::from_secs(10),
            health_deadline: Duration::from_secs(300),
            files: Vec::new(),
            files_change: FilesChange::Auto,
        }
    }
}

keywords! {
    /// `Strategy=`: how a new revision reaches the nodes.
    Strategy { Rolling = "rolling", Canary = "canary", BlueGreen = "blue-green", AllAtOnce = "all-at-once" }

    /// `OnRolloutFailure=`: what becomes of a rollout that failed.
    RolloutFailure { Pause = "pause", Rollback = "rollback", None = "none" }
}

impl RolloutFailure {
    /// What counts where nothing is said: in develop the next commit is the correction.
    #[must_use]
    pub fn default_in(environment: &EnvironmentName) -> Self {
        if environment.as_str() == "develop" { RolloutFailure::None } else { RolloutFailure::Pause }
    }
}

/// `Instances=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instances {
    /// On every feasible node.
    All,
    /// So many: a template runs 1…N, a plain unit runs on N nodes; 0 switches off.
    Count(u32),
    /// These instances of a template.
    Names(Vec<String>),
}

/// `Start=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The reconciler starts it.
    Auto,
    /// Only an operator or a dependency does.
    Manual,
}

/// A number, or a percentage of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percent {
    /// So many.
    Count(u32),
    /// So many of a hundred; at least 1.
    Percent(u32),
}

impl Percent {
    /// How many of `total` this is; at least 1.
    #[must_use]
    pub fn of(self, total: usize) -> usize {
        match self {
            Percent::Count(count) => (count as usize).max(1),
            Percent::Percent(percent) => (total * percent as usize / 100).max(1),
        }
    }
}

/// One `SRC[:DEST]` of `Files=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredFile {
    /// Path below `files/` in the repository; a folder delivers all below it.
    pub source: String,
    /// Absolute path where it is bound; `None`: it appears under `$FLEET_FILES`.
    pub destination: Option<String>,
}

/// `FilesChange=`: what a changed delivered file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesChange {
    /// Reload if the unit can, else restart.
    Auto,
    /// Reload.
    Reload,
    /// Restart.
    Restart,
    /// Nothing.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::directives;

    #[test]
    fn the_table_says_what_a_failed_rollout_does_by_default() {
        let row = directives::find("X-Fleet", "OnRolloutFailure").expect("it is a directive");
        for environment in ["develop", "test", "production"] {
            let environment = environment.parse().expect("it is a label");
            assert_eq!(row.default_in(&environment), RolloutFailure::default_in(&environment).as_str());
        }
        let other = directives::find("X-Fleet", "Strategy").expect("it is a directive");
        assert_eq!(other.default_in(&"develop".parse().unwrap()), Strategy::default().as_str());
    }
}
