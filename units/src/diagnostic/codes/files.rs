//! Files and units as such.

use super::{Code, error, warning};

pub(super) const CODES: &[Code] = &[
    warning(
        "kind-not-built-yet",
        "Timers and sockets do not run yet. What they start is not started by itself. (An error where such a \
         unit itself is asked for.)",
        "Start it by `fleet start`, or keep the timer on the host for now.",
    ),
    error(
        "unit-kind",
        "Fleet has no units of this kind. Among unenforced settings: a dependency on such a unit is left out.",
        "Keep mounts, slices and paths in the host's systemd.",
    ),
    error(
        "bad-unit-name",
        "A file name is no unit name: letters, digits and `: - _ . \\ @`, at most 255 bytes.",
        "Rename the file; `systemd-escape` writes names for other texts.",
    ),
    error(
        "no-unit-file",
        "A bundle holds no unit file for the unit.",
        "Report it: bundles are made by the coordinator.",
    ),
    error(
        "masked",
        "The unit file is empty: the unit is switched off in this environment.",
        "Take the empty file away.",
    ),
    warning(
        "stray-file",
        "A file below `units/` or `environments/ENV/` that nothing reads.",
        "Move or rename it; `docs/unit-files.md` says where what belongs. Files that begin with a dot and `.md` \
         files are left alone.",
    ),
    warning(
        "orphan-drop-in",
        "Drop-ins of a unit that this environment does not have.",
        "Correct the name of the folder.",
    ),
    error(
        "too-many-units",
        "An environment has more than 20,000 units, instances counted one by one.",
        "Look for a template that names instances of itself.",
    ),
    error(
        "environment-too-large",
        "The files of an environment have more than 256 MiB together.",
        "Deliver large files by other means.",
    ),
    error(
        "too-many-files",
        "A revision has more than 100,000 files, or 400,000 files and folders.",
        "Take out of the configuration repository what is no configuration.",
    ),
    error("too-deep", "A file of the repository lies more than 32 folders deep.", "Move it up."),
];
