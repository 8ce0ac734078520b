//! `[Timer]`, systemd.timer(5).

use super::Change::None;
use super::{Directive, Kind, later};

const T: &str = "Timer";

/// When a timer elapses, and what it starts.
pub(super) const ROWS: &[Directive] = &[
    later(T, "OnCalendar", Kind::Calendar, "", None, "Calendar events at which it elapses."),
    later(T, "OnActiveSec", Kind::TriggerSpan, "", None, "It elapses so long after it was started."),
    later(T, "OnBootSec", Kind::TriggerSpan, "", None, "It elapses so long after the host booted."),
    later(T, "OnStartupSec", Kind::TriggerSpan, "", None, "It elapses so long after the service manager was started."),
    later(T, "OnUnitActiveSec", Kind::TriggerSpan, "", None, "It elapses so long after its unit was last started."),
    later(T, "OnUnitInactiveSec", Kind::TriggerSpan, "", None, "It elapses so long after its unit last ended."),
    later(T, "OnClockChange", Kind::Bool, "no", None, "It elapses when the clock is set."),
    later(T, "OnTimezoneChange", Kind::Bool, "no", None, "It elapses when the host's time zone changes."),
    later(
        T,
        "Unit",
        Kind::FirstUnit,
        "the service of the same name",
        None,
        "The unit it starts; only the first one counts.",
    ),
    later(T, "AccuracySec", Kind::Span, "1min", None, "The window in which it may elapse, to save wake-ups."),
    later(T, "RandomizedDelaySec", Kind::Span, "0", None, "The longest random delay added to each elapse."),
    later(T, "RandomizedOffsetSec", Kind::Span, "0", None, "The longest delay of a host, the same for each elapse."),
    later(T, "FixedRandomDelay", Kind::Bool, "no", None, "RandomizedDelaySec= is the same for each elapse."),
    later(T, "DeferReactivation", Kind::Bool, "no", None, "An elapse while its unit runs is left out."),
    later(T, "Persistent", Kind::Bool, "no", None, "An elapse of OnCalendar= that was missed is made up for."),
    later(T, "WakeSystem", Kind::Bool, "no", None, "It wakes the host from suspend."),
    later(T, "RemainAfterElapse", Kind::Bool, "yes", None, "It stays loaded when it cannot elapse any more."),
];
