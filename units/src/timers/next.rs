//! The decision: of all triggers of a timer, which comes first, and when.

use super::window::{delay, settle};
use super::{Zones, next_event};
use crate::spec::{TimerSpec, TimerTrigger};
use crate::time::{Moment, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// On the clock that never jumps; zero when it was before this boot.
    pub moment: Moment,
    /// On the wall clock.
    pub wall: Timestamp,
}

/// What a timer's next elapse depends on besides its specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// Now.
    pub now: Stamp,
    /// What `OnBootSec=` counts from: zero, but in a container the start of the node.
    pub boot: Moment,
    /// When the node was started on this boot.
    pub startup: Moment,
    /// When the timer itself was started.
    pub started: Stamp,
    /// When it elapsed last; of a persistent timer this may be before this boot.
    pub last_trigger: Option<Stamp>,
    /// When its unit last left inactive, on this boot.
    pub unit_started: Option<Stamp>,
    /// When its unit last became inactive, on this boot.
    pub unit_ended: Option<Stamp>,
    /// The wall clock was set since the last look.
    pub clock_set: bool,
    /// For delays that differ each time; different for each timer, host and boot.
    pub random: u64,
    /// For delays that stay; different for each timer and host.
    pub fixed: u64,
    /// Where in a minute this host likes to wake, in microseconds ([`settle`]).
    pub place: u64,
}

/// What a timer does until something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It elapses at whichever comes first; moments in the past mean now. Without either it waits for the clock or the
    /// time zone to be changed.
    Waits {
        /// On the clock that never jumps.
        moment: Option<Moment>,
        /// On the wall clock.
        wall: Option<Timestamp>,
    },
    /// It cannot elapse any more by itself.
    Elapsed {
        /// It stays active: `RemainAfterElapse=`, or its unit may be started by somebody else and set it going again.
        remains: bool,
    },
}

/// When `timer` elapses next.
#[must_use]
pub fn next(timer: &TimerSpec, situation: &Situation, zones: &impl Zones) -> Next {
    let moment = timer.triggers.iter().filter_map(|trigger| monotonic(trigger, situation)).min();
    let events = timer.triggers.iter().filter_map(|trigger| match trigger {
        TimerTrigger::Calendar(event) => {
            let offset = delay(timer.randomized_offset, situation.fixed ^ OFFSET);
            let base = Timestamp(base(timer, situation).0.saturating_sub(micros(offset)));
            Some(next_event(event, base, zones)?.after(offset).max(startup_wall(situation)))
        }
        _ => None,
    });
    let wall = events.min();
    if moment.is_none() && wall.is_none() && !timer.on_clock_change && !timer.on_timezone_change {
        return Next::Elapsed { remains: timer.remain_after_elapse || timer.triggers.iter().any(follows_unit) };
    }
    let place = |earliest: u64| {
        let key = if timer.fixed_random_delay { situation.fixed } else { situation.random ^ earliest };
        let earliest = earliest.saturating_add(micros(delay(timer.randomized_delay, key)));
        settle(earliest, timer.accuracy, situation.place)
    };
    Next::Waits { moment: moment.map(|at| Moment(place(at.0))), wall: wall.map(|at| Timestamp(place(at.0))) }
}

/// Tells the key of the offset from that of the delay.
const OFFSET: u64 = 0x6f66_6673_6574;

/// The elapse of a trigger that counts from something; `None` for calendar events, for what has not happened yet, and
/// for what happens once and did.
fn monotonic(trigger: &TimerTrigger, situation: &Situation) -> Option<Moment> {
    let last = situation.last_trigger.map_or(Moment(0), |last| last.moment);
    let (base, span, once) = match *trigger {
        TimerTrigger::Calendar(_) => return None,
        TimerTrigger::Active(span) => (situation.started.moment, span, true),
        TimerTrigger::Boot(span) => (situation.boot, span, true),
        TimerTrigger::Startup(span) => (situation.startup, span, true),
        TimerTrigger::UnitActive(span) => (after_unit(situation.unit_started, last)?, span, false),
        TimerTrigger::UnitInactive(span) => (after_unit(situation.unit_ended, last)?, span, false),
    };
    if span == Duration::MAX {
        return None;
    }
    let at = base.after(span);
    let over = once && situation.last_trigger.is_some() && at <= situation.now.moment && !situation.clock_set;
    (!over).then_some(at)
}

fn after_unit(stamp: Option<Stamp>, last_trigger: Moment) -> Option<Moment> {
    let base = stamp.map_or(Moment(0), |stamp| stamp.moment).max(last_trigger);
    (base > Moment(0)).then_some(base)
}

/// What calendar events are looked for after: the last elapse, else the timer's own start. With `DeferReactivation=`
/// what came due while its unit ran is left out.
fn base(timer: &TimerSpec, situation: &Situation) -> Timestamp {
    let last = situation.last_trigger.map(|last| last.wall);
    match situation.unit_ended.filter(|_| timer.defer_reactivation) {
        Some(ended) => last.map_or(ended.wall, |last| last.max(ended.wall)),
        None => last.unwrap_or(situation.started.wall),
    }
}

/// An event that was missed before the node started counts as due at its start, so that random delays spread what is
/// made up for.
fn startup_wall(situation: &Situation) -> Timestamp {
    let up = situation.now.moment.since(situation.startup);
    Timestamp(situation.now.wall.0.saturating_sub(micros(up)))
}

fn follows_unit(trigger: &TimerTrigger) -> bool {
    matches!(trigger, TimerTrigger::UnitActive(_) | TimerTrigger::UnitInactive(_))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
