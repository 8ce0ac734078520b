//! `[Timer]`, systemd.timer(5).

use super::Change::None;
use super::{Directive, Kind, later, works};

const T: &str = "Timer";

/// When a timer elapses, and what it starts.
pub(super) const ROWS: &[Directive] = &[
    works(T, "OnCalendar", Kind::Calendar, "", None, "Calendar events at which it elapses."),
    works(T, "OnActiveSec", Kind::TriggerSpan, "", None, "It elapses so long after it was started."),
    works(T, "OnBootSec", Kind::TriggerSpan, "", None, "It elapses so long after the host booted."),
    works(T, "OnStartupSec", Kind::TriggerSpan, "", None, "It elapses so long after the service manager was started."),
    works(T, "OnUnitActiveSec", Kind::TriggerSpan, "", None, "It elapses so long after its unit was last started."),
    works(T, "OnUnitInactiveSec", Kind::TriggerSpan, "", None, "It elapses so long after its unit last ended."),
    works(T, "OnClockChange", Kind::Bool, "no", None, "It elapses when the clock is set."),
    later(T, "OnTimezoneChange", Kind::Bool, "no", None, "It elapses when the host's time zone changes."),
    works(
        T,
        "Unit",
        Kind::FirstUnit,
        "the service of the same name",
        None,
        "The unit it starts; only the first one counts.",
    ),
    works(T, "AccuracySec", Kind::Span, "1min", None, "The window in which it may elapse, to save wake-ups."),
    works(T, "RandomizedDelaySec", Kind::Span, "0", None, "The longest random delay added to each elapse."),
    works(T, "RandomizedOffsetSec", Kind::Span, "0", None, "The longest delay of a host, the same for each elapse."),
    works(T, "FixedRandomDelay", Kind::Bool, "no", None, "RandomizedDelaySec= is the same for each elapse."),
    works(T, "DeferReactivation", Kind::Bool, "no", None, "An elapse while its unit runs is left out."),
    works(T, "Persistent", Kind::Bool, "no", None, "An elapse of OnCalendar= that was missed is made up for."),
    later(T, "WakeSystem", Kind::Bool, "no", None, "It wakes the host from suspend."),
    works(T, "RemainAfterElapse", Kind::Bool, "yes", None, "It stays loaded when it cannot elapse any more."),
];
