use super::*;
use crate::bundle::{Bundle, SourceFile};
use crate::spec::{UnitSpec, Values, load};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn tree(files: &[(&str, &str)]) -> SourceTree {
    files.iter().map(|(path, text)| ((*path).to_owned(), SourceFile::new(false, text.as_bytes()))).collect()
}

fn context(host: Option<BTreeMap<char, String>>) -> Context {
    Context { environment: "test".parse().unwrap(), host }
}

fn shown(name: &str, files: &[(&str, &str)], host: Option<BTreeMap<char, String>>) -> String {
    effective(&name.parse().unwrap(), &tree(files), &context(host)).unwrap().to_string()
}

#[test]
fn lines_that_count_are_shown_with_their_places() {
    let files = [
        (
            "units/web.service",
            "[Unit]\nDescription=Web\nAfter=a.service\n\n[Service]\nExecStart=/bin/a \\\n  --b\nUser=one\nEnvironment=A=1\n\
             StartLimitInterval=5\n",
        ),
        ("units/web.service.d/10.conf", "[Service]\nUser=two\nEnvironment=B=2\nTimeoutSec=9\n"),
        ("environments/test/web.service.d/20.conf", "[Service]\nEnvironment=\nEnvironment=C=3\n[Fleet]\nInstances=2\n"),
        ("environments/other/web.service.d/20.conf", "[Service]\nUser=three\n"),
    ];
    let wanted = "\
[Unit]
# units/web.service:2
Description=Web
After=a.service
# units/web.service:10, written StartLimitInterval=
StartLimitIntervalSec=5

[Service]
# units/web.service:6
ExecStart=/bin/a    --b
# units/web.service.d/10.conf:2
User=two
# units/web.service.d/10.conf:4, written TimeoutSec=
TimeoutStartSec=9
# units/web.service.d/10.conf:4, written TimeoutSec=
TimeoutStopSec=9
# environments/test/web.service.d/20.conf:3
Environment=C=3

[X-Fleet]
# environments/test/web.service.d/20.conf:5
Instances=2
";
    assert_eq!(shown("web.service", &files, None), wanted);
}

#[test]
fn a_unit_that_sets_nothing_is_not_shown_as_a_masked_one() {
    let files =
        [("units/a.service", "[Service]\nExecStart=/bin/a\n"), ("units/a.service.d/1.conf", "[Service]\nExecStart=\n")];
    let text = shown("a.service", &files, None);
    assert_eq!(text, "# a.service sets nothing\n");
    assert_eq!(shown("a.service", &[("units/a.service", &text)], None), text);
}

#[test]
fn what_a_socket_shares_with_services_stays_in_its_section() {
    let unit = "[Socket]\nListenStream=/run/%p\nExecStartPre=/bin/true\nNice=5\n";
    let text = shown("a.socket", &[("units/a.socket", unit)], None);
    assert!(!text.contains("[Service]") && text.matches("[Socket]").count() == 1, "{text}");
    assert_eq!(shown("a.socket", &[("units/a.socket", &text)], None).matches("Nice=5").count(), 1);
}

#[test]
fn specifiers_are_filled_in_where_that_changes_nothing() {
    let unit = "[Service]\nExecStart=/bin/w %i %H %I 100%% %t/x\nEnvironment=A=%i\nCPUQuota=10%\n";
    let files = [("units/w@.service", unit)];
    let host = BTreeMap::from([('H', "box".to_owned()), ('t', "/run user".to_owned())]);
    let value = |name: &str, host| {
        let text = shown(name, &files, host);
        text.lines().filter(|line| !line.starts_with(['#', '['])).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(value("w@1.service", None)[..2], ["ExecStart=/bin/w 1 %H 1 100%% %t/x", "Environment=A=1"]);
    assert_eq!(value("w@a-b.service", Some(host.clone()))[0], "ExecStart=/bin/w a-b box a/b 100%% %t/x");
    assert_eq!(value("w@.service", None)[0], "ExecStart=/bin/w %i %H %I 100%% %t/x");
    let text = shown("w@a.service", &files, Some(host));
    assert!(text.contains("# %t stays as written: its value is \"/run user\"\nExecStart="), "{text}");
}

#[test]
fn a_unit_that_is_not_there_or_masked_says_so() {
    let tree = tree(&[("units/web.service", "[Service]\n"), ("units/off.service", "")]);
    let of = |name: &str| effective(&name.parse().unwrap(), &tree, &context(None)).unwrap_err();
    assert!(matches!(of("wbe.service"), NotEffective::Missing { near: Some(near), .. } if near == "web.service"));
    assert!(matches!(of("off.service"), NotEffective::Masked { path, .. } if path == "units/off.service"));
}

/// The unit as understood, without what only says how it was written.
fn understood(name: &UnitName, files: &SourceTree, context: &Context) -> Option<UnitSpec> {
    let loaded = load(name, &Bundle { files: files.clone() }, context);
    loaded.spec.map(|spec| UnitSpec { values: Values::default(), unenforced: Vec::new(), ..spec })
}

/// Each in its section, so that most of what is put together is a sound unit.
const LINES: &[&str] = &[
    "[Unit]\nDescription=one %i %n 100%%",
    "[Unit]\nAfter=a.service b@%i.service",
    "[Unit]\nAfter=",
    "[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=5s",
    "[Service]\nExecStart=",
    "[Service]\nExecStart=/bin/a %I \"%i x\" ${A} $B %% \\x41%i",
    "[Service]\nExecStart=-@/bin/%p %p \\\n# a comment\n  %j ; /bin/b",
    "[Service]\nExecStart=/bin/%p %i%I %P",
    "[Service]\nExecStop=/bin/stop %H '%t'",
    "[Service]\nEnvironment=A=%i \"B=%H c\" C=\\\\",
    "[Service]\nEnvironment=",
    "[Service]\nUser=u%i",
    "[Service]\nWorkingDirectory=-/srv/%i",
    "[Service]\nTimeoutSec=5",
    "[Service]\nStartLimitInterval=7",
    "[Service]\nType=oneshot",
    "[Service]\nPassEnvironment=X Y\n; a comment",
    "[Service]\nStateDirectory=a/%i b",
    "[Service]\nNice=5",
    "[Service]\nNice=",
    "[Service]\nHealthCheckTCP=127.0.0.1:80",
    "[Fleet]\nInstances=3",
    "[X-Other]\nAny=thing",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(LINES), 0..6).prop_map(|lines| lines.join("\n") + "\n")
}

proptest! {
    #[test]
    fn what_is_shown_means_the_same(unit in text(), drop_in in text(), overlay in text(), instance in "[a-c1-3\\\\x24-]{1,6}") {
        let Ok(name) = format!("w@{instance}.service").parse::<UnitName>() else { return Ok(()) };
        let files = tree(&[
            ("units/w@.service", &format!("[Service]\nExecStart=/bin/x\n{unit}")),
            ("units/w@.service.d/10.conf", &drop_in),
            ("environments/test/w@.service.d/20.conf", &overlay),
        ]);
        for host in [None, Some(BTreeMap::from([('H', "box".to_owned()), ('t', "/run/it's".to_owned())]))] {
            let context = context(host);
            let before = understood(&name, &files, &context);
            let text = effective(&name, &files, &context).unwrap().to_string();
            let after = understood(&name, &tree(&[(&format!("units/{name}"), &text)]), &context);
            // What is wrong may be left out of what is shown.
            if before.is_some() {
                prop_assert_eq!(before, after, "{}", text);
            }
            let again = effective(&name, &tree(&[(&format!("units/{name}"), &text)]), &context).unwrap();
            let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(lines(&again.to_string()), lines(&text));
        }
    }
}

#[test]
fn specifiers_of_conditions_binds_and_credentials_are_filled_in() {
    let unit = "[Unit]\nConditionPathExists=!/etc/%i\n[Service]\nExecStart=/bin/a\nBindPaths=/srv/%i:/data\n\
                LoadCredential=key:/etc/%i.key\n";
    let text = shown("a@x.service", &[("units/a@.service", unit)], None);
    for line in ["ConditionPathExists=!/etc/x\n", "BindPaths=/srv/x:/data\n", "LoadCredential=key:/etc/x.key\n"] {
        assert!(text.contains(line), "{text}");
    }
    // A colon would part the word anew: there it stays.
    let text = shown("a@x:y.service", &[("units/a@.service", unit)], None);
    assert!(text.contains("BindPaths=/srv/%i:/data\n") && text.contains("its value is \"x:y\""), "{text}");
}
