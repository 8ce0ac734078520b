//! The comments that allow findings, which are findings when they are not as they should be.

use super::{codes, warning};

codes! {
    ALLOW_WITHOUT_REASON = warning(
        "allow-without-reason",
        "A comment `# fleet-allow: CODE` gives no reason. It allows nothing.",
        "Write the reason behind a second colon: `# fleet-allow: CODE: reason`.",
    );
    UNKNOWN_CODE = warning(
        "unknown-code",
        "A comment `# fleet-allow: …` names something that is no code of a finding.",
        "Copy the code from the finding; this page lists all of them.",
    );
    UNUSED_ALLOW = warning(
        "unused-allow",
        "A comment allows a code of which nothing is found in its file, in any environment that was looked at, or \
         only an error, which cannot be allowed.",
        "Take the comment away. For a finding of a drop-in the comment belongs into the drop-in.",
    );
}
