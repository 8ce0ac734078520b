//! Nothing is told of an end before what was written until then is in the spool.
//!
//! ```text
//! end in the table -> ask the logger, by a counter in each slot of the unit with open pipes -> its bell
//!   the logger: reads what is there, counts, rings -> Exited (or Emptied) becomes an event, the slot is told
//! ```

use std::time::{Duration, Instant};

use super::held::{Draining, Tracked};
use super::point::point;
use super::shared::Use;
use super::supervisor::Supervisor;

/// How long an end waits for the logger. It may be starting again; a disk that hangs must not hold units up for ever.
const PATIENCE: Duration = Duration::from_secs(2);

impl Supervisor {
    /// Takes note of every end that the guard wrote down, and tells those that may be told.
    pub(crate) fn take_ends(&mut self) {
        let is_new = |process: &&Tracked| process.draining.is_none() && self.shared.end_of(process.place).is_some();
        let mut new: Vec<(String, Use)> = Vec::new();
        for (name, unit) in &self.held.units {
            new.extend(unit.processes.iter().filter(is_new).map(|process| (name.clone(), process.place)));
        }
        for (name, place) in new {
            point("end-seen");
            let draining = self.ask_for_output(&name);
            let mut processes = self.held.unit(&name).processes.iter_mut();
            if let Some(process) = processes.find(|process| process.place == place) {
                process.draining = Some(draining);
            }
        }
        self.tell_what_is_drained();
        self.look_for_empty();
    }

    /// Asks for what the unit's processes have written until now.
    pub(crate) fn ask_for_output(&mut self, name: &str) -> Draining {
        let shared = &self.shared;
        let mut wanted = Vec::new();
        if let Some(unit) = self.held.units.get_mut(name) {
            unit.places.retain(|place| !shared.is_closed(*place));
            wanted.extend(unit.places.iter().map(|place| (*place, shared.want_drain(*place))));
        }
        if !wanted.is_empty() {
            self.logger_bell.ring();
        }
        Draining { since: Instant::now(), wanted }
    }

    /// Whether the output is in the spool, or has been waited for long enough.
    pub(crate) fn is_drained(&self, draining: &Draining) -> bool {
        draining.wanted.iter().all(|(place, wanted)| self.shared.is_drained(*place, *wanted))
            || draining.since.elapsed() >= PATIENCE
    }

    /// Tells what waited for output that is in the spool by now, and frees slots of which nothing is left to know.
    pub(crate) fn tell_what_is_drained(&mut self) {
        let is_drained = |draining: &Option<Draining>| draining.as_ref().is_some_and(|d| self.is_drained(d));
        let (mut processes, mut units) = (Vec::new(), Vec::new());
        for (name, unit) in &self.held.units {
            let over = unit.processes.iter().filter(|process| is_drained(&process.draining));
            processes.extend(over.map(|process| process.place));
            if is_drained(&unit.draining) {
                units.push(name.clone());
            }
        }
        let told = !processes.is_empty();
        for place in processes {
            self.tell_end(place);
        }
        for name in units {
            self.tell_empty(&name);
        }
        for place in self.shared.finished() {
            self.give_up(place);
        }
        if told {
            self.look_for_empty(); // those whose last process this was
        }
    }

    /// When something is told although its output is not in the spool.
    pub(crate) fn drained_at_the_latest(&self) -> Option<Instant> {
        let units = self.held.units.values();
        let waiting =
            units.flat_map(|unit| unit.processes.iter().map(|process| &process.draining).chain([&unit.draining]));
        waiting.flatten().map(|draining| draining.since + PATIENCE).min()
    }
}
