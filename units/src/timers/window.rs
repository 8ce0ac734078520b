//! Where within its window a timer elapses: random delays, and the moments at which a host wakes anyway.

use std::time::Duration;

/// A delay below `longest`, evenly distributed over `key`; the same key gives the same delay. Zero when `longest` is.
#[must_use]
pub fn delay(longest: Duration, key: u64) -> Duration {
    let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    // The high half of the product is the key scaled down, without the bias of a remainder.
    let scaled = (u128::from(mix(key)) * u128::from(micros)) >> 64;
    Duration::from_micros(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// splitmix64's finish: spreads what keys differ in over all bits.
fn mix(key: u64) -> u64 {
    let z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The moment in `earliest ..= earliest + accuracy` at which all timers of a host elapse that may (`AccuracySec=`): the
/// same place in every minute, else in every 10 s, 1 s or 250 ms, else the last one. `place`, below a minute, is the
/// host's own. All in microseconds of one clock.
#[must_use]
pub fn settle(earliest: u64, accuracy: Duration, place: u64) -> u64 {
    let latest = earliest.saturating_add(u64::try_from(accuracy.as_micros()).unwrap_or(u64::MAX));
    const STEPS: [u64; 4] = [60_000_000, 10_000_000, 1_000_000, 250_000];
    let last_place = |step: u64| {
        let place = place % step;
        let at = latest / step * step + place;
        if at > latest { at.checked_sub(step) } else { Some(at) }
    };
    STEPS.into_iter().filter_map(last_place).find(|at| *at >= earliest).unwrap_or(latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn delays_are_below_their_bound_fill_it_and_are_the_same_for_the_same_key() {
        let longest = Duration::from_secs(10);
        let delays: Vec<_> = (0..1000).map(|key| delay(longest, key)).collect();
        assert!(delays.iter().all(|delay| *delay < longest));
        let early = delays.iter().filter(|delay| delay.as_secs() < 5).count();
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
        assert_eq!(delay(longest, 7), delays[7]);
        assert_eq!(delay(Duration::ZERO, 7), Duration::ZERO);
        assert!(delay(Duration::MAX, 7) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn timers_of_one_host_elapse_together_where_their_windows_allow() {
        let minute = Duration::from_secs(60);
        let place = 17 * SECOND;
        // Three timers whose windows of a minute lie close together.
        for earliest in [600 * SECOND, 605 * SECOND, 616 * SECOND] {
            assert_eq!(settle(earliest, minute, place), 617 * SECOND, "{earliest}");
        }
        assert_eq!(settle(618 * SECOND, minute, place), 677 * SECOND);
        assert_eq!(settle(600 * SECOND, Duration::from_secs(12), place), 607 * SECOND, "the place in ten seconds");
        assert_eq!(settle(600 * SECOND + 1, Duration::from_micros(5), place), 600 * SECOND + 6, "no room at all");
        assert_eq!(settle(5, Duration::ZERO, place), 5);
        for (earliest, accuracy) in [(1, 1), (61 * SECOND, 3 * SECOND), (7, 90 * SECOND), (u64::MAX - 1, SECOND)] {
            let at = settle(earliest, Duration::from_micros(accuracy), place);
            assert!(at >= earliest && at <= earliest.saturating_add(accuracy), "{earliest} {accuracy} {at}");
        }
    }
}
