//! `[Timer]` (systemd.timer(5)).

use crate::calendar::CalendarSpec;
use crate::ids::UnitName;
use std::time::Duration;

/// A timer as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct TimerSpec {
    /// What makes it elapse. Empty only with `on_clock_change` or `on_timezone_change`.
    pub triggers: Vec<TimerTrigger>,
    /// `OnClockChange=`: when the clock is set.
    pub on_clock_change: bool,
    /// `OnTimezoneChange=`: when the host's zone changes.
    pub on_timezone_change: bool,
    /// `Unit=`: what it starts; by default the service of the same name. `None` for a unit of a kind Fleet does not
    /// have.
    pub unit: Option<UnitName>,
    /// `AccuracySec=`: the window in which it may elapse. Default 1 min.
    pub accuracy: Duration,
    /// `RandomizedDelaySec=`: the longest random delay.
    pub randomized_delay: Duration,
    /// `RandomizedOffsetSec=`: the longest delay of one host, the same for each elapse.
    pub randomized_offset: Duration,
    /// `FixedRandomDelay=`: `randomized_delay` is the same for each elapse.
    pub fixed_random_delay: bool,
    /// `DeferReactivation=`: an elapse while the unit runs is left out.
    pub defer_reactivation: bool,
    /// `Persistent=`: a missed calendar event is made up for.
    pub persistent: bool,
    /// `WakeSystem=`
    pub wake_system: bool,
    /// `RemainAfterElapse=`; default yes.
    pub remain_after_elapse: bool,
}

/// What makes a timer elapse. A span of `Duration::MAX` is infinity: it never does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerTrigger {
    /// `OnCalendar=`
    Calendar(CalendarSpec),
    /// `OnActiveSec=`: after the timer's own start.
    Active(Duration),
    /// `OnBootSec=`: after the host booted.
    Boot(Duration),
    /// `OnStartupSec=`: after the service manager was started.
    Startup(Duration),
    /// `OnUnitActiveSec=`: after its unit was last started.
    UnitActive(Duration),
    /// `OnUnitInactiveSec=`: after its unit last ended.
    UnitInactive(Duration),
}

impl Default for TimerSpec {
    /// A timer that never elapses and starts nothing.
    fn default() -> Self {
        TimerSpec {
            triggers: Vec::new(),
            on_clock_change: false,
            on_timezone_change: false,
            unit: None,
            accuracy: Duration::from_secs(60),
            randomized_delay: Duration::ZERO,
            randomized_offset: Duration::ZERO,
            fixed_random_delay: false,
            defer_reactivation: false,
            persistent: false,
            wake_system: false,
            remain_after_elapse: true,
        }
    }
}
