//! What is found by looking at several units.

use super::{codes, error, warning};

codes! {
    DEPENDENCY_NOT_IN_SET = warning(
        "dependency-not-in-set",
        "A unit needs or wants one that this environment does not have.",
        "Add it, or correct the name. If the host has it, nothing is wrong.",
    );
    REQUIREMENT_MISSING = error(
        "requirement-missing",
        "Only in `fleet plan`: a unit would start on a node, by itself or because another pulls it in, and requires one that \
         the node does not have, so that its start fails. Units that the host's own systemd runs count as there, as the node \
         told them last, and so do the targets of systemd.special(7).",
        "Add the unit, make the `Nodes=` of both agree, or start the host's own unit where that is meant; with `Wants=` the \
         unit starts without it.",
    );
    ORDERING_CYCLE = error(
        "ordering-cycle",
        "Units wait for each other: each starts after the next. Timers and sockets start before their unit and, unless \
         `DefaultDependencies=no`, before timers.target or sockets.target; a cycle through one of them is a warning while \
         they do not run.",
        "Take one `After=` or `Before=` of the cycle away.",
    );
    DUPLICATE_ALIAS = error("duplicate-alias", "Two units have one name.", "Take one `Alias=` away.");
    IMPOSSIBLE_PLACEMENT = warning(
        "impossible-placement",
        "`Nodes=` asks what no node can fulfil, or a unit requires one that can only be on other nodes.",
        "Correct the selectors: a node has one value for a label, and a requirement must be on the same node.",
    );
    REQUIRES_SWITCHED_OFF = warning(
        "requires-switched-off",
        "A unit requires one that is switched off in this environment, by `Instances=0` or by an empty unit file, so it \
         cannot start.",
        "Switch both off, or take the requirement away.",
    );
    STARTS_NOTHING = warning(
        "starts-nothing",
        "A timer or socket whose unit is switched off, masked, or only on other nodes, so that it never starts it.",
        "Switch both off, or take `Nodes=` of the timer or socket away: it is where its unit is.",
    );
    PORT_CLAIMED_TWICE = warning(
        "port-claimed-twice",
        "Two units that can be on one node listen on the same port and address: by `ListenStream=` or `ListenDatagram=` of \
         a socket, or because a health check asks there. 0.0.0.0 overlaps with every IPv4 address, `[::]` and a bare port \
         with every IPv6 address and, unless `BindIPv6Only=ipv6-only`, with every IPv4 address as well. `ReusePort=` of both \
         and different interfaces keep them apart. One socket can do it alone, by two lines.",
        "Give one another port or address, or make their `Nodes=` exclude each other.",
    );
    PATH_CLAIMED_TWICE = warning(
        "path-claimed-twice",
        "Two units that can be on one node have the same `PIDFile=`, destination of a delivered file, socket or FIFO in the \
         file system, or message queue.",
        "Give each a path of its own; instances of a template have one with `%i` in it.",
    );
    NAME_CLAIMED_TWICE = warning(
        "name-claimed-twice",
        "Two units that can be on one node have the same `BusName=`, or the same abstract socket.",
        "Give one another name, or make their `Nodes=` exclude each other.",
    );
    SHARED_DIRECTORY = warning(
        "shared-directory",
        "Two units that can be on one node share a folder. A note, and fine if it is meant, for those that stay \
         (`StateDirectory=`, `CacheDirectory=`, `LogsDirectory=`). A `RuntimeDirectory=` is removed when the first of them \
         stops, unless `RuntimeDirectoryPreserve=` says otherwise.",
        "Give each a folder of its own, or allow it by a comment.",
    );
}
