//! Settings of one unit that do not go together, or do nothing.

use super::{codes, error, note, warning};

codes! {
    NO_EXEC_START = error(
        "no-exec-start",
        "A service has no command to run, and is not of a kind that can do without.",
        "Add `ExecStart=`. Without it a service needs `RemainAfterExit=yes` and `ExecStop=`.",
    );
    SEVERAL_EXEC_START = error(
        "several-exec-start",
        "Several commands in `ExecStart=` of a service that is not `Type=oneshot`.",
        "In a drop-in empty the list first: a line `ExecStart=`, then the new one.",
    );
    ONESHOT_RESTART = error(
        "oneshot-restart",
        "`Restart=always`, `on-success` or `RestartForceExitStatus=` with `Type=oneshot`; systemd refuses it too.",
        "`Restart=on-failure`.",
    );
    MISSING_BUS_NAME = error("missing-bus-name", "`Type=dbus` without `BusName=`.", "Add `BusName=`, or choose another type.");
    NOTIFY_ACCESS_NONE = warning(
        "notify-access-none",
        "A service that must notify, and `NotifyAccess=none`; it counts as `main`, as in systemd.",
        "Write `NotifyAccess=main`, or leave it away.",
    );
    FORKING_WITHOUT_PIDFILE = note(
        "forking-without-pidfile",
        "`Type=forking` without `PIDFile=`: the main process can only be guessed.",
        "Add `PIDFile=`, or run the program in the foreground with `Type=exec` or `notify`.",
    );
    KILL_MODE_NONE = warning("kill-mode-none", "`KillMode=none` leaves processes behind.", "`KillMode=mixed`.");
    STRICT = error(
        "strict",
        "`Strict=yes`, and the unit asks for something that this version does not put into effect on any host.",
        "Take those settings away, or `Strict=`.",
    );
    NO_TRIGGER = error(
        "no-trigger",
        "A timer has nothing that makes it elapse; systemd refuses it too.",
        "Say when: `OnCalendar=daily`, or `OnBootSec=5min`.",
    );
    NO_LISTEN = error(
        "no-listen",
        "A socket has no `Listen*=`; systemd refuses it too.",
        "Say where: `ListenStream=/run/NAME.sock`, or `ListenStream=8080`.",
    );
    ACCEPT_MODE = error(
        "accept-mode",
        "`Accept=yes` with something that does not go with it: an address without connections, `Service=`, \
         `MaxConnections=0`, `DeferTrigger=`; systemd refuses it too.",
        "Each connection starts an instance of the template of the socket's own name: leave the rest to that.",
    );
    SYMLINKS_TARGET = error(
        "symlinks-target",
        "`Symlinks=` of a socket with none or several nodes in the file system; systemd refuses it too.",
        "Split the unit, or take `Symlinks=` away.",
    );
    NEVER_ELAPSES = warning(
        "never-elapses",
        "A timer, or one of its calendar events, never elapses: a day that no month has, or a timer that only counts \
         from runs of its own unit.",
        "Correct the date; `systemd-analyze calendar` shows the next times. For the first run add `OnActiveSec=` or \
         `OnBootSec=`.",
    );
    NOT_THE_FIRST_UNIT = warning(
        "not-the-first-unit",
        "A timer's `Unit=` counts once: the first one stays, whatever a drop-in says. So it is in systemd.",
        "Replace the unit file instead of adding a drop-in.",
    );
    TIMER_STARTS_TIMER = warning(
        "timer-starts-timer",
        "`Unit=` of a timer names a timer (systemd.timer(5) asks for a unit of another kind).",
        "Name the service itself.",
    );
    NO_EFFECT = warning(
        "no-effect",
        "A setting has no effect without another one, which the message names.",
        "Add the other, or take this one away.",
    );
    CONTRADICTION = warning(
        "contradiction",
        "Two settings cannot both be meant; the message names them and says what comes of it.",
        "Decide for one, as the hint says.",
    );
    START_LIMIT_UNREACHABLE = warning(
        "start-limit-unreachable",
        "`StartLimitBurst=` restarts take longer than `StartLimitIntervalSec=`, because each waits for `RestartSec=`: the \
         limit is never reached, and restarts go on for ever.",
        "Make the interval longer than burst times `RestartSec=`, or switch the limit off with `StartLimitIntervalSec=0`.",
    );
    ZERO_TIMEOUT = note(
        "zero-timeout",
        "`TimeoutStopSec=0` means that a stop may take for ever (systemd.service(5)), not that it is made at once.",
        "Write `infinity`, or a short time such as `1s`.",
    );
}
