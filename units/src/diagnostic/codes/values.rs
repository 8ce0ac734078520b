//! What is wrong with one key or value.

use super::{codes, error, note, warning};

codes! {
    UNKNOWN_DIRECTIVE = error(
        "unknown-directive",
        "The section does not know this key.",
        "Correct the spelling, or move it to the section named in the hint. Keys for other programs begin with `X-`.",
    );
    UNKNOWN_SECTION = warning(
        "unknown-section",
        "A unit of this kind has no such section. What stands in it is ignored, as in systemd.",
        "Correct the spelling. Sections for other programs begin with `X-`.",
    );
    REFUSED_DIRECTIVE = error("refused-directive", "Fleet refuses this directive; the message says why.", "Take it away.");
    DEPRECATED_SPELLING = note("deprecated-spelling", "The key is an old spelling, which is understood.", "Write the present one.");
    OLD_PATH = note("old-path", "A path below /var/run, which is read as /run.", "Write /run.");
    BAD_VALUE = error(
        "bad-value",
        "The value is not what the directive takes; the message says what that is.",
        "Correct it; `docs/unit-files.md` lists values and defaults.",
    );
    BAD_SELECTOR = error("bad-selector", "`Nodes=` is no label selector.", "Such as `role=web,zone in (a,b),!gpu`.");
    BAD_COMMAND = error(
        "bad-command",
        "An `Exec*=` line has no program, or one that is neither absolute nor a bare name.",
        "Write the absolute path of the program.",
    );
    IGNORED_WORD = warning(
        "ignored-word",
        "One word of the value is unknown. systemd ignores it silently, and the rest of the value counts.",
        "Correct its spelling; a name of a newer systemd or kernel can stay.",
    );
    BAD_CONDITION = warning(
        "bad-condition",
        "A `Condition…=` or `Assert…=` asks for something that cannot be evaluated: it never holds.",
        "Correct the value; systemd.unit(5) lists what each condition takes.",
    );
    DEPENDENCIES_NOT_RESET = warning(
        "dependencies-not-reset",
        "An empty `After=`, `Requires=` or the like. Dependencies only add up (systemd.unit(5)).",
        "Replace the unit file for this environment instead: `environments/ENV/units/NAME`.",
    );
    SELF_DEPENDENCY = warning("self-dependency", "A unit names itself; that is ignored.", "Take the name away.");
    TEMPLATE_DEPENDENCY = error(
        "template-dependency",
        "A key of `[Install]` names a template, and the unit has no instance to fill in.",
        "Name an instance, such as `worker@1.service`.",
    );
    MISSING_FILE = error(
        "missing-file",
        "`Files=` names something that is not below `files/` in the repository.",
        "Commit the file, or correct the path.",
    );
    HEALTH_URL = error(
        "health-url",
        "`HealthCheckURL=` is no http or https address, has a user name in it, or is link-local.",
        "Such as `http://127.0.0.1:8080/health`.",
    );
    HEALTH_ADDRESS = error("health-address", "`HealthCheckTCP=` is no `host:port`, or is link-local.", "Such as `127.0.0.1:6379`.");
    TWO_HEALTH_CHECKS = warning(
        "two-health-checks",
        "`HealthCheckURL=` and `HealthCheckTCP=` are both given; the first counts.",
        "Keep one. In an overlay empty the other: `HealthCheckURL=`.",
    );
}
