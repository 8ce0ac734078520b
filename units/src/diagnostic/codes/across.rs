//! What is found by looking at several units.

use super::{Code, error, warning};

pub(super) const CODES: &[Code] = &[
    warning(
        "dependency-not-in-set",
        "A unit needs or wants one that this environment does not have.",
        "Add it, or correct the name. If the host has it, nothing is wrong.",
    ),
    error(
        "requirement-missing",
        "Only in `fleet plan`: a unit would start on a node and requires one that the node does not have, so that its start \
         fails. Fleet does not know the units that the host runs by itself; targets outside the set count as reached.",
        "Add the unit, make the `Nodes=` of both agree, or write `Wants=` where the host's own unit is meant.",
    ),
    error(
        "ordering-cycle",
        "Units wait for each other: each starts after the next.",
        "Take one `After=` or `Before=` of the cycle away.",
    ),
    error("duplicate-alias", "Two units have one name.", "Take one `Alias=` away."),
    warning(
        "impossible-placement",
        "`Nodes=` asks what no node can fulfil, or a unit requires one that can only be on other nodes.",
        "Correct the selectors: a node has one value for a label, and a requirement must be on the same node.",
    ),
    warning(
        "requires-switched-off",
        "A unit requires one that is switched off in this environment, by `Instances=0` or by an empty unit file, so it \
         cannot start.",
        "Switch both off, or take the requirement away.",
    ),
    warning(
        "port-claimed-twice",
        "Two units that can be on one node have their health checks on the same port of it. Sockets are not looked at yet.",
        "Give one another port, or make their `Nodes=` exclude each other.",
    ),
    warning(
        "path-claimed-twice",
        "Two units that can be on one node have the same `PIDFile=` or destination of a delivered file.",
        "Give each a path of its own; instances of a template have one with `%i` in it.",
    ),
    warning(
        "name-claimed-twice",
        "Two units that can be on one node have the same `BusName=`.",
        "Give one another name, or make their `Nodes=` exclude each other.",
    ),
    warning(
        "shared-directory",
        "Two units that can be on one node share a folder. A note, and fine if it is meant, for those that stay \
         (`StateDirectory=`, `CacheDirectory=`, `LogsDirectory=`). A `RuntimeDirectory=` is removed when the first of them \
         stops, unless `RuntimeDirectoryPreserve=` says otherwise.",
        "Give each a folder of its own, or allow it by a comment.",
    ),
];
