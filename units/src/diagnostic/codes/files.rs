//! Files and units as such.

use super::{codes, error, warning};

codes! {
    KIND_NOT_BUILT_YET = warning(
        "kind-not-built-yet",
        "Sockets do not run yet. What they start is not started by itself. (An error where such a unit itself is \
         asked for.)",
        "Start it by `fleet start`, or keep the socket on the host for now.",
    );
    UNIT_KIND = error(
        "unit-kind",
        "Fleet has no units of this kind. Among unenforced settings: a dependency on such a unit is left out.",
        "Keep mounts, slices and paths in the host's systemd.",
    );
    BAD_UNIT_NAME = error(
        "bad-unit-name",
        "A file name is no unit name: letters, digits and `: - _ . \\ @`, at most 255 bytes.",
        "Rename the file; `systemd-escape` writes names for other texts.",
    );
    NO_UNIT_FILE = error(
        "no-unit-file",
        "A bundle holds no unit file for the unit.",
        "Report it: bundles are made by the coordinator.",
    );
    MASKED = error(
        "masked",
        "The unit file is empty: the unit is switched off in this environment.",
        "Take the empty file away.",
    );
    STRAY_FILE = warning(
        "stray-file",
        "A file below `units/` or `environments/ENV/` that nothing reads.",
        "Move or rename it; `docs/unit-files.md` says where what belongs. Files that begin with a dot and `.md` \
         files are left alone.",
    );
    ORPHAN_DROP_IN = warning(
        "orphan-drop-in",
        "Drop-ins of a unit that this environment does not have.",
        "Correct the name of the folder.",
    );
    TOO_MANY_UNITS = error(
        "too-many-units",
        "An environment has more than 20,000 units, instances counted one by one.",
        "Look for a template that names instances of itself.",
    );
    ENVIRONMENT_TOO_LARGE = error(
        "environment-too-large",
        "The files of an environment have more than 256 MiB together.",
        "Deliver large files by other means.",
    );
    TOO_MANY_FILES = error(
        "too-many-files",
        "A revision has more than 100,000 files, or 400,000 files and folders.",
        "Take out of the configuration repository what is no configuration.",
    );
    TOO_DEEP = error("too-deep", "A file of the repository lies more than 32 folders deep.", "Move it up.");
}
