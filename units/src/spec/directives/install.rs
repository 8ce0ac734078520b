//! `[Install]`, systemd.unit(5).

use super::Change::None;
use super::{Directive, Kind, inert, works};

const I: &str = "Install";

/// Edges to targets and further names; never needed to be started.
pub(super) const ROWS: &[Directive] = &[
    works(I, "WantedBy", Kind::Units, "", None, "Units that want this one."),
    works(I, "RequiredBy", Kind::Units, "", None, "Units that require this one."),
    works(I, "Alias", Kind::Units, "", None, "Further names of the unit."),
    works(I, "UpheldBy", Kind::Units, "", None, "Units that uphold this one."),
    inert(
        I,
        "Also",
        Kind::Units,
        "",
        "nothing is enabled or disabled: every placed unit runs",
        "Units enabled together with this one.",
    ),
    inert(
        I,
        "DefaultInstance",
        Kind::Text,
        "",
        "nothing is enabled or disabled: `Instances=` says which instances run",
        "The instance that is enabled by default.",
    ),
];
