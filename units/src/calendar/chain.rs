//! One field of a calendar event: a list of numbers, ranges and repetitions (systemd.time(7)).

use std::fmt;

/// Microseconds of a second.
pub(super) const MICROS: u32 = 1_000_000;

/// `start`, `start..stop`, `start/step`, `start..stop/step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Component {
    pub start: u32,
    /// `None` is the end of the field's range.
    pub stop: Option<u32>,
    /// 0: `start` alone.
    pub step: u32,
}

impl Component {
    /// One number.
    pub(super) fn one(start: u32) -> Self {
        Component { start, stop: None, step: 0 }
    }

    /// The end of a range becomes the last number it reaches; a range of one number becomes that number.
    fn normalized(mut self) -> Self {
        if let Some(stop) = self.stop.filter(|stop| *stop > self.start && self.step > 0) {
            self.stop = Some(stop - (stop - self.start) % self.step);
        }
        if self.stop == Some(self.start) {
            return Component::one(self.start);
        }
        self
    }

    /// Whether it lies in `low..=high` and repeats at least once if at all. Days from the end count downwards.
    fn fits(&self, low: u32, high: u32, from_end: bool) -> bool {
        let within = |number: u32| (low..=high).contains(&number);
        // In 64 bits, since what was written may be large.
        let [low, high, start, step] = [low, high, self.start, self.step].map(i64::from);
        let repeats = match self.stop {
            Some(stop) => within(stop) && start + step <= i64::from(stop),
            None if from_end => start - step >= low,
            None => start + step <= high,
        };
        within(self.start) && step <= high - low && repeats
    }

    /// The first number of it that is at least `value`; may lie behind the field's range.
    fn first_from(&self, value: u32) -> Option<u32> {
        if self.start >= value {
            return Some(self.start);
        }
        let steps = (value - self.start).div_ceil((self.step > 0).then_some(self.step)?);
        let found = self.start + steps * self.step;
        self.stop.is_none_or(|stop| found <= stop).then_some(found)
    }
}

/// A list of components; an empty one is `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Chain(Vec<Component>);

impl Chain {
    /// The chain of these components, sorted, each once.
    pub(super) fn new(components: Vec<Component>) -> Self {
        let mut components: Vec<_> = components.into_iter().map(Component::normalized).collect();
        components.sort_unstable_by_key(|one| (one.start, one.stop, one.step));
        components.dedup();
        Chain(components)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every component lies in `low..=high`; with `from_end` only days that every month has count.
    pub(super) fn fits(&self, low: u32, high: u32, from_end: bool) -> bool {
        let high = if from_end { high - 3 } else { high };
        self.0.iter().all(|component| component.fits(low, high, from_end))
    }

    /// The first number of the chain that is at least `value`; it may lie behind the field's range.
    pub(super) fn first_from(&self, value: u32) -> Option<u32> {
        if self.is_empty() {
            return Some(value);
        }
        self.0.iter().filter_map(|component| component.first_from(value)).min()
    }

    /// The same for days counted from the end of a month of `length` days.
    pub(super) fn first_day_from_end(&self, value: u32, length: u32) -> Option<u32> {
        let mirrored = |component: &Component| {
            let day = |from_end: u32| length + 1 - from_end;
            let (start, stop) = match component.stop {
                Some(stop) => (day(stop), Some(day(component.start))),
                None => (day(component.start), None),
            };
            Component { start, stop, ..*component }.first_from(value)
        };
        self.0.iter().filter_map(mirrored).min()
    }

    /// Writes it, whole numbers with at least `width` digits; its numbers count `unit`ths.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>, width: usize, unit: u32) -> fmt::Result {
        let every = Component { start: 0, stop: None, step: unit };
        if self.is_empty() || (unit == MICROS && self.0.contains(&every)) {
            return f.write_str("*");
        }
        let number = |f: &mut fmt::Formatter<'_>, number: u32, width: usize| {
            write!(f, "{:0width$}", number / unit)?;
            if number.is_multiple_of(unit) { Ok(()) } else { write!(f, ".{:06}", number % unit) }
        };
        for (index, component) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            number(f, component.start, width)?;
            if let Some(stop) = component.stop {
                f.write_str("..")?;
                number(f, stop, width)?;
            }
            if component.step > 0 && (component.stop.is_none() || component.step != unit) {
                f.write_str("/")?;
                number(f, component.step, 1)?;
            }
        }
        Ok(())
    }
}
