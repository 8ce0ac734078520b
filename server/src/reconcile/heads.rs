//! What the branches hold: heads that were accepted, heads that were not.

use super::environment::Head;
use super::handle::Arrival;
use super::task::Task;
use crate::http::metrics::InEnvironment;
use crate::source::Accepted;
use fleet_units::diagnostic::Diagnostic;
use fleet_units::ids::EnvironmentName;
use fleet_units::view::{BranchState, Rejected};

impl Task {
    pub(super) fn accepted(&mut self, accepted: Accepted, arrival: Arrival) {
        let Ok(index) = self.index(&accepted.environment) else { return };
        let (name, revision) = (accepted.environment, accepted.revision);
        if accepted.diagnostics.iter().any(Diagnostic::is_error) {
            // Accepted by an older version whose checks were milder: what runs is left as it is.
            self.environments[index].freeze(Rejected { revision: revision.clone(), diagnostics: accepted.diagnostics });
            tracing::error!(environment = %name, revision = %revision, "the accepted head is not understood by this version");
            return;
        }
        let environment = &mut self.environments[index];
        environment.branch_state = BranchState::Ok;
        environment.recorded = match arrival {
            Arrival::Known { converged: true } => Some(revision.clone()),
            Arrival::Known { converged: false } | Arrival::New => None,
        };
        let units = accepted.fleet.units.len();
        environment.accept(Head { revision: revision.clone(), fleet: accepted.fleet }, &self.nodes);
        if arrival == Arrival::New {
            self.metrics.commits_accepted.get_or_create(&in_environment(&name)).inc();
            let by = format!("{} by {}", accepted.kind.as_str(), accepted.facts.author);
            let text = format!("{name} accepted {} ({by}, {units} units)", revision.short());
            self.tell_of(&name, "accepted", Some(&revision), text);
        }
    }

    pub(super) fn kept(&mut self, name: &EnvironmentName, state: BranchState, rejected: Option<Rejected>) {
        let Ok(index) = self.index(name) else { return };
        let environment = &mut self.environments[index];
        if (environment.branch_state, &environment.rejected) == (state, &rejected) {
            return;
        }
        environment.branch_state = state;
        environment.rejected = rejected.clone();
        match rejected {
            Some(rejected) => {
                self.metrics.commits_rejected.get_or_create(&in_environment(name)).inc();
                let first = rejected.diagnostics.iter().find(|found| found.is_error());
                let why = first.map(ToString::to_string).unwrap_or_default();
                let text = format!("{name} did not accept {}: {why}", rejected.revision.short());
                self.tell_of(name, "rejected", Some(&rejected.revision), text);
            }
            None => {
                let text = format!("{name}: branch {}; the last accepted head keeps running", state.as_str());
                self.tell_of(name, "branch", None, text);
            }
        }
    }

    pub(super) fn at_head(&mut self, name: &EnvironmentName) {
        let Ok(index) = self.index(name) else { return };
        self.environments[index].branch_state = BranchState::Ok;
        self.environments[index].rejected = None;
    }
}

fn in_environment(name: &EnvironmentName) -> InEnvironment {
    InEnvironment { environment: name.to_string() }
}
