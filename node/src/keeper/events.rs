//! What is to be told to the agent, kept until it was acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use fleet_proto::control::{Event, Exited, Notified, event};

use super::frame::EVENT_WINDOW;

/// Above this many untold events no more notifications are read: their senders wait in the kernel. Ends of processes
/// are always taken, there are no more of them than processes.
const ENOUGH: usize = 16 * 1024;

/// Above this many messages of one unit that are untold, further ones are dropped: a unit that floods costs itself.
const ENOUGH_OF_ONE: usize = 1024;

/// Microseconds since 1970 (CLOCK_REALTIME).
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Events in order, with what was told of them.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    /// Messages in the queue by unit.
    notified: BTreeMap<String, usize>,
    last_id: u64,
    told: u64,
}

impl Events {
    /// Adds an event; gives it back unless it says nothing new or there is no room for it.
    pub(crate) fn push(&mut self, unit: &str, event: event::Event) -> Option<&Event> {
        if let event::Event::Notified(notified) = &event
            && (self.repeats(unit, notified) || !self.has_room(unit))
        {
            return None;
        }
        self.last_id += 1;
        let unit = unit.to_owned();
        self.queue.push_back(Event { id: self.last_id, unit, time_us: now_us(), event: Some(event) });
        self.queue.back()
    }

    /// Goes on after this event.
    pub(crate) fn resume(&mut self, last_id: u64) {
        self.last_id = last_id;
    }

    /// Adds an event that an earlier supervisor wrote down.
    pub(crate) fn restore(&mut self, event: Event) {
        if let Some(event::Event::Notified(_)) = &event.event {
            *self.notified.entry(event.unit.clone()).or_default() += 1;
        }
        self.last_id = event.id;
        self.queue.push_back(event);
    }

    /// Everything that is not acknowledged, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Event> {
        self.queue.iter()
    }

    /// The id before the first of those.
    pub(crate) fn before_the_first(&self) -> u64 {
        self.queue.front().map_or(self.last_id, |event| event.id - 1)
    }

    /// Counts one more message of this unit, unless there are enough.
    fn has_room(&mut self, unit: &str) -> bool {
        let count = self.notified.entry(unit.to_owned()).or_default();
        let room = *count < ENOUGH_OF_ONE;
        *count += usize::from(room);
        room
    }

    /// The unit's latest event says the same and was not told yet: only its time is new. A unit that pings while the
    /// agent is away takes no more room than one ping.
    fn repeats(&mut self, unit: &str, new: &Notified) -> bool {
        let told = self.told;
        let latest = self.queue.iter_mut().rev().take_while(|event| event.id > told).find(|event| event.unit == unit);
        match latest {
            Some(Event { time_us, event: Some(event::Event::Notified(old)), .. }) if old == new => {
                *time_us = now_us();
                true
            }
            _ => false,
        }
    }

    /// Forgets events up to and with this id.
    pub(crate) fn acknowledge(&mut self, through: u64) {
        while self.queue.front().is_some_and(|event| event.id <= through) {
            if let Some(Event { unit, event: Some(event::Event::Notified(_)), .. }) = self.queue.pop_front() {
                self.taken(&unit);
            }
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(64);
        }
    }

    fn taken(&mut self, unit: &str) {
        if let Some(count) = self.notified.get_mut(unit) {
            *count -= 1;
            if *count == 0 {
                self.notified.remove(unit);
            }
        }
    }

    /// A new agent was told nothing yet.
    pub(crate) fn rewind(&mut self) {
        self.told = 0;
    }

    /// The next event to tell, unless the agent has enough to acknowledge.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let told = self.told;
        let index = self.queue.partition_point(|event| event.id <= told);
        if index >= EVENT_WINDOW {
            return None;
        }
        let event = self.queue.get(index)?.clone();
        self.told = event.id;
        Some(event)
    }

    /// Ends of processes that no agent has acknowledged, with their units, in order.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&str, &Exited)> {
        self.queue.iter().filter_map(|event| match &event.event {
            Some(event::Event::Exited(exited)) => Some((event.unit.as_str(), exited)),
            _ => None,
        })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_proto::control::Emptied;

    fn note(text: &str) -> event::Event {
        event::Event::Notified(Notified { pid: 1, text: text.into(), role: String::new() })
    }

    fn told(events: &mut Events) -> Vec<u64> {
        std::iter::from_fn(|| events.next()).map(|event| event.id).collect()
    }

    #[test]
    fn an_event_is_told_once_to_each_agent_until_it_is_acknowledged() {
        let mut events = Events::default();
        events.push("a", event::Event::Emptied(Emptied {}));
        events.push("b", event::Event::Emptied(Emptied {}));
        assert_eq!(told(&mut events), [1, 2]);
        assert!(told(&mut events).is_empty());
        events.acknowledge(1);
        events.rewind();
        assert_eq!(told(&mut events), [2]);
        events.acknowledge(2);
        events.push("c", event::Event::Emptied(Emptied {}));
        assert_eq!(told(&mut events), [3]);
    }

    #[test]
    fn no_more_than_a_window_is_told_without_acknowledgement() {
        let mut events = Events::default();
        for _ in 0..EVENT_WINDOW + 2 {
            events.push("a", event::Event::Emptied(Emptied {}));
        }
        assert_eq!(told(&mut events).len(), EVENT_WINDOW);
        events.acknowledge(1);
        assert_eq!(told(&mut events), [EVENT_WINDOW as u64 + 1]);
    }

    #[test]
    fn a_repeated_ping_takes_no_room_unless_something_came_between() {
        let mut events = Events::default();
        events.push("a", note("WATCHDOG=1"));
        events.push("b", note("WATCHDOG=1"));
        events.push("a", note("WATCHDOG=1"));
        assert_eq!(events.queue.len(), 2);
        events.push("a", note("READY=1"));
        events.push("a", note("WATCHDOG=1"));
        assert_eq!(events.queue.len(), 4);
        assert_eq!(told(&mut events).len(), 4);
        events.push("a", note("WATCHDOG=1"));
        assert_eq!(told(&mut events), [5], "what was told is not changed");
    }

    #[test]
    fn a_unit_that_floods_loses_its_own_messages_and_no_others() {
        let mut events = Events::default();
        for number in 0..ENOUGH_OF_ONE + 5 {
            events.push("flood", note(&format!("STATUS={number}")));
        }
        events.push("flood", event::Event::Emptied(Emptied {}));
        events.push("quiet", note("READY=1"));
        assert_eq!(events.queue.len(), ENOUGH_OF_ONE + 2);
        assert!(!events.is_full());
        events.acknowledge(ENOUGH_OF_ONE as u64 + 2);
        assert!(events.queue.is_empty() && events.notified.is_empty());
        events.push("flood", note("READY=1"));
        assert_eq!(events.queue.len(), 1);
    }
}
