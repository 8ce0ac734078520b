//! What the coordinator says of a branch.

use super::{codes, error, warning};

codes! {
    NO_COMMIT = error(
        "no-commit",
        "A branch names something that is no commit of the repository.",
        "Push the commit, or set the branch back.",
    );
    BAD_NAME = error("bad-name", "A name in the repository cannot be a file's name here.", "Rename it.");
    NOT_A_FILE = error(
        "not-a-file",
        "A symbolic link, a submodule, or another entry that is no regular file.",
        "Commit the file itself; for another name of a unit use `Alias=`.",
    );
    UNMERGED = error(
        "unmerged",
        "The index holds both sides of a merge that is not finished (`fleet lint --staged`).",
        "Resolve the conflict and `git add` the file.",
    );
    REWOUND = error(
        "rewound",
        "A branch no longer contains what its environment runs. The environment keeps running it.",
        "Merge the accepted head into the branch, or push it again. To go back use `fleet rollback`.",
    );
    UNRELATED = error("unrelated", "A branch shares no history with what its environment runs.", "As for `rewound`.");
    BAD_TREE = error(
        "bad-tree",
        "This content was rolled back in this environment.",
        "Fix forward, or say why it is good again: `fleet rollback ENV REVISION --again REASON`.",
    );
    TARGET_AHEAD = error(
        "target-ahead",
        "A merge throws away what the target environment holds and the source lacks.",
        "Merge the target's accepted head into the source, and promote that.",
    );
    PROMOTION_GATE = error(
        "promotion-gate",
        "What is promoted was not, or has not converged, in the environment before.",
        "Promote to that one first and wait until `fleet status` says converged.",
    );
    DIRECT_CHANGE = error(
        "direct-change",
        "The last environment's common files change only by promotion.",
        "Bring the change to the environment before, and promote it.",
    );
    INEXACT_MERGE = warning(
        "inexact-merge",
        "A merge changed common files itself, so it is no exact promotion.",
        "Merge this branch back into the source.",
    );
    REMOVAL_GATE = error(
        "removal-gate",
        "A revision would remove all units of an environment, or very many of them.",
        "Revert it. The hint says how to do it on purpose.",
    );
}
