//! What is wrong with the text of a file.

use super::{codes, error, warning};

codes! {
    FILE_TOO_LARGE = error(
        "file-too-large",
        "A unit file has more than 1 MiB, or a file of the repository more than 16 MiB.",
        "Make it smaller; large files do not belong in the configuration repository.",
    );
    NOT_UTF8 = error("not-utf8", "A unit file holds bytes that are not UTF-8.", "Save it as UTF-8.");
    CONTROL_CHARACTER = error(
        "control-character",
        "A unit file holds a control character other than tab and line end, or a character that reorders text \
         on the screen.",
        "Delete it. Within quotes write an escape, such as `\\x1b`.",
    );
    LINE_TOO_LONG = error(
        "line-too-long",
        "A line, with its continuations, has more than 128 KiB.",
        "Split the value into several assignments, or put it into a file.",
    );
    TOO_MANY_ASSIGNMENTS = error("too-many-assignments", "A unit file has more than 10,000 sections and assignments.", "Split the unit.");
    TOO_MANY_ERRORS = error(
        "too-many-errors",
        "More than 100 lines of a file are neither section header nor assignment: it is no unit file.",
        "Move the file to where it belongs, or correct its name.",
    );
    BAD_SECTION_HEADER = error(
        "bad-section-header",
        "A line begins with `[` and is no section header.",
        "Write it as `[Service]`, alone on its line.",
    );
    NO_SECTION = error(
        "no-section",
        "An assignment stands before the first section header.",
        "Begin the file with `[Unit]` or `[Service]`.",
    );
    MISSING_EQUALS = error(
        "missing-equals",
        "A line is neither a header, nor a comment, nor an assignment.",
        "Write `Key=value`. A continued line needs `\\` at the end of the line before; an empty line ends it.",
    );
    MISSING_KEY = error("missing-key", "Nothing stands before `=`.", "Write the key.");
    BAD_QUOTING = error(
        "bad-quoting",
        "A quote is not closed, or an escape is none of systemd.syntax(7).",
        "Close the quote at the place shown; write `\\\\` for a backslash.",
    );
    UNKNOWN_ESCAPE = warning(
        "unknown-escape",
        "An `Exec*=` line holds a backslash that begins no escape; it stays as it is, as in systemd.",
        "Write `\\\\` for a backslash.",
    );
    BAD_SPECIFIER = error(
        "bad-specifier",
        "A `%` begins no specifier, one that means nothing here, or one whose value cannot be used.",
        "Write `%%` for a percent sign; systemd.unit(5) lists the specifiers.",
    );
}
