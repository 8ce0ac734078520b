//! Escaped unit names against `systemd-escape`, both ways, plain and as paths, into templates, and mangled.

use super::{Random, assert_none, of_each_seed, oracle, printed};
use fleet_units::ids::UnitName;
use fleet_units::syntax::escape::{escape, escape_path, unescape, unescape_path};
use fleet_units::syntax::mangle::mangle;

const REAL: &[&str] = &[
    "a",
    "/dev/sda",
    "/dev//sda/",
    "Hallöchen, Meister",
    ".hidden",
    "/.hidden",
    "a.b",
    "a-b",
    "a_b:c",
    "foo@bar",
    "a\\b",
    "\\x2d",
    "/",
    "//",
    "a/./b",
    "./a",
    "../a",
    "/a/../b",
    "tmp//waldi/foobar/",
    "50%",
    "é",
    "日本",
    "a\tb",
    "-",
    "--",
    "-a",
    "a-",
    "a--b",
    "..",
    ".",
    "a-.-b",
    r"\x2e\x2e",
    r"\x2d",
    r"a\q",
    r"\xzz",
    r"\x4",
    r"\xc3\xa9",
    "x-systemd.device",
    "nginx",
    "nginx.conf",
    "worker@",
    "worker@1.timer",
    "@1",
    "a@b@c",
    ".service",
    "/var/lib",
    "/dev",
    "/sys/block/",
    "/devices",
    "/dev/../etc",
    "a*.service",
];

fn text(random: &mut Random) -> String {
    let parts = ["a", "B", "7", "/", "//", "/./", "-", "_", ".", "..", ":", "@", "\\", r"\x2d", r"\x2", "é", "%", "~"];
    (0..=random.below(7)).map(|_| random.of(&parts)).collect()
}

/// One way to call it, and what this crate says; an error where it fails.
type Way = (&'static [&'static str], fn(&str) -> Result<String, String>);

const WAYS: &[Way] = &[
    (&[], |text| Ok(escape(text))),
    (&["--path"], escape_path),
    (&["--unescape"], unescape),
    (&["--unescape", "--path"], unescape_path),
    (&["--mangle"], mangle),
    (&["--template=foo@.service"], |text| {
        let template: UnitName = "foo@.service".parse().expect("it is a template");
        template.with_instance(&escape(text)).map(|name| name.to_string()).map_err(|error| error.to_string())
    }),
];

#[test]
fn escaping_is_that_of_systemd_escape() {
    let mut texts: Vec<String> = REAL.iter().map(|text| (*text).to_owned()).collect();
    texts.extend(of_each_seed(150, text));
    let mut differences = Vec::new();
    for (arguments, ours) in WAYS {
        for text in &texts {
            let Some(mut command) = oracle("escaping_is_that_of_systemd_escape", "systemd-escape") else { return };
            let answer = printed(command.args(*arguments).args(["--", text]));
            let answer = answer.strip_suffix('\n').map(str::to_owned);
            let own = ours(text).ok();
            if own != answer {
                differences.push(format!("{arguments:?} {text:?}: systemd {answer:?}, fleet {own:?}"));
            }
        }
    }
    assert_none(&differences);
}
