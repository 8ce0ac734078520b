//! What is wrong with one key or value.

use super::{Code, error, note, warning};

pub(super) const CODES: &[Code] = &[
    error(
        "unknown-directive",
        "The section does not know this key.",
        "Correct the spelling, or move it to the section named in the hint. Keys for other programs begin with `X-`.",
    ),
    warning(
        "unknown-section",
        "A unit of this kind has no such section. What stands in it is ignored, as in systemd.",
        "Correct the spelling. Sections for other programs begin with `X-`.",
    ),
    error("refused-directive", "Fleet refuses this directive; the message says why.", "Take it away."),
    note("deprecated-spelling", "The key is an old spelling, which is understood.", "Write the present one."),
    note("old-path", "A path below /var/run, which is read as /run.", "Write /run."),
    error(
        "bad-value",
        "The value is not what the directive takes; the message says what that is.",
        "Correct it; `docs/unit-files.md` lists values and defaults.",
    ),
    error("bad-selector", "`Nodes=` is no label selector.", "Such as `role=web,zone in (a,b),!gpu`."),
    error(
        "bad-command",
        "An `Exec*=` line has no program, or one that is neither absolute nor a bare name.",
        "Write the absolute path of the program.",
    ),
    warning(
        "ignored-word",
        "One word of the value is unknown. systemd ignores it silently, and the rest of the value counts.",
        "Correct its spelling; a name of a newer systemd or kernel can stay.",
    ),
    warning(
        "bad-condition",
        "A `Condition…=` or `Assert…=` asks for something that cannot be evaluated: it never holds.",
        "Correct the value; systemd.unit(5) lists what each condition takes.",
    ),
    warning(
        "dependencies-not-reset",
        "An empty `After=`, `Requires=` or the like. Dependencies only add up (systemd.unit(5)).",
        "Replace the unit file for this environment instead: `environments/ENV/units/NAME`.",
    ),
    warning("self-dependency", "A unit names itself; that is ignored.", "Take the name away."),
    error(
        "template-dependency",
        "A key of `[Install]` names a template, and the unit has no instance to fill in.",
        "Name an instance, such as `worker@1.service`.",
    ),
    error(
        "missing-file",
        "`Files=` names something that is not below `files/` in the repository.",
        "Commit the file, or correct the path.",
    ),
    error(
        "health-url",
        "`HealthCheckURL=` is no http or https address, has a user name in it, or is link-local.",
        "Such as `http://127.0.0.1:8080/health`.",
    ),
    error("health-address", "`HealthCheckTCP=` is no `host:port`, or is link-local.", "Such as `127.0.0.1:6379`."),
    warning(
        "two-health-checks",
        "`HealthCheckURL=` and `HealthCheckTCP=` are both given; the first counts.",
        "Keep one. In an overlay empty the other: `HealthCheckURL=`.",
    ),
];
