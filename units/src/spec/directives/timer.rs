//! `[Timer]`, systemd.timer(5).

use super::{Directive, Kind, later};

const T: &str = "Timer";

/// When a timer elapses, and what it starts.
pub(super) const ROWS: &[Directive] = &[
    later(T, "OnCalendar", Kind::Calendar, "", "Calendar events at which it elapses."),
    later(T, "OnActiveSec", Kind::TriggerSpan, "", "It elapses so long after it was started."),
    later(T, "OnBootSec", Kind::TriggerSpan, "", "It elapses so long after the host booted."),
    later(T, "OnStartupSec", Kind::TriggerSpan, "", "It elapses so long after the service manager was started."),
    later(T, "OnUnitActiveSec", Kind::TriggerSpan, "", "It elapses so long after its unit was last started."),
    later(T, "OnUnitInactiveSec", Kind::TriggerSpan, "", "It elapses so long after its unit last ended."),
    later(T, "OnClockChange", Kind::Bool, "no", "It elapses when the clock is set."),
    later(T, "OnTimezoneChange", Kind::Bool, "no", "It elapses when the host's time zone changes."),
    later(T, "Unit", Kind::FirstUnit, "the service of the same name", "The unit it starts; only the first one counts."),
    later(T, "AccuracySec", Kind::Span, "1min", "The window in which it may elapse, to save wake-ups."),
    later(T, "RandomizedDelaySec", Kind::Span, "0", "The longest random delay added to each elapse."),
    later(T, "RandomizedOffsetSec", Kind::Span, "0", "The longest delay of a host, the same for each elapse."),
    later(T, "FixedRandomDelay", Kind::Bool, "no", "RandomizedDelaySec= is the same for each elapse."),
    later(T, "DeferReactivation", Kind::Bool, "no", "An elapse while its unit runs is left out."),
    later(T, "Persistent", Kind::Bool, "no", "An elapse of OnCalendar= that was missed is made up for."),
    later(T, "WakeSystem", Kind::Bool, "no", "It wakes the host from suspend."),
    later(T, "RemainAfterElapse", Kind::Bool, "yes", "It stays loaded when it cannot elapse any more."),
];
