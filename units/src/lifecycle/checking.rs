//! Before a start touches anything: `Condition*=` and `Assert*=` (systemd.unit(5), "Conditions and Asserts").
//!
//! They are looked at once the start limit has let the start through, as in systemd, and again before each automatic
//! restart. Neither moves the unit to failed: it stays inactive.

use super::{Effect, Machine, Outcome, State};
use crate::conditions::Verdict;
use crate::spec::KindSpec;
use std::time::Duration;

/// How long a look at the host may take: a path may lie on a file system that hangs.
const TIMEOUT: Duration = Duration::from_secs(90);

impl Machine {
    pub(super) fn enter_check(&mut self) {
        if self.spec.conditions.is_empty() {
            return self.set_out();
        }
        self.enter(State::Check, Some(TIMEOUT));
        self.out.push(Effect::Check);
    }

    pub(super) fn on_checked(&mut self, verdict: Verdict) {
        if self.m.state != State::Check {
            return; // it was stopped, or took too long
        }
        match verdict {
            Verdict::Met => self.set_out(),
            Verdict::Skip(unmet) => self.stay_down(Outcome::Condition, unmet),
            Verdict::Fail(unmet) => self.stay_down(Outcome::Assert, unmet),
        }
    }

    /// Nothing was begun, so nothing has to be undone, and neither OnSuccess= nor OnFailure= is due.
    fn stay_down(&mut self, outcome: Outcome, unmet: String) {
        self.m.outcome = outcome;
        self.m.unmet = unmet;
        self.enter(State::Dead, None);
    }

    pub(super) fn check_timed_out(&mut self) {
        self.m.outcome = Outcome::Timeout;
        self.enter(State::Failed, None);
        self.out.push(Effect::Trigger { failed: true });
    }

    fn set_out(&mut self) {
        self.out.push(Effect::Begin);
        match self.spec.kind {
            KindSpec::Target | KindSpec::Timer(_) | KindSpec::Socket(_) => self.enter(State::Active, None),
            KindSpec::Service(_) => self.enter_condition(),
        }
    }
}
