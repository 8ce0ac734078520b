use super::*;
use crate::bundle::SourceFile;
use crate::spec::directives;

fn loaded(name: &str, text: &str) -> Loaded {
    let name: UnitName = name.parse().unwrap();
    let mut bundle = Bundle::default();
    bundle.files.insert(format!("units/{name}"), SourceFile::new(false, text.as_bytes()));
    load(&name, &bundle, &Context { environment: "test".parse().unwrap(), host: None })
}

/// Whether reading a unit with the one assignment goes through a typed field, and whether anything looks at it at all.
fn reading(section: &str, directive: &Directive) -> (bool, bool) {
    let name: UnitName = match section {
        "Timer" => "a.timer",
        "Socket" => "a.socket",
        _ => "a.service",
    }
    .parse()
    .unwrap();
    let text = format!("[{section}]\n{}=x\n", directive.key);
    let document = Document::parse("units/a", text.as_bytes()).document.unwrap();
    let mut found = Vec::new();
    let merged = Merged::new(name.kind(), &[&document], &mut found);
    let files = SourceTree::new();
    let mut reader = Reader {
        name: &name,
        specifiers: Specifiers { name: &name, host: None },
        files: &files,
        overlay: String::new(),
        diagnostics: Vec::new(),
        unenforced: Vec::new(),
    };
    let mut spec = UnitSpec::new(name.clone(), KindSpec::Target);
    let mut draft = read::kind::Draft::new(name.kind());
    let row = merged.rows().next().expect("it was assigned");
    let typed = typed(&mut reader, &row, &mut spec, &mut draft);
    (typed, typed || reader.check(&row))
}

#[test]
fn every_value_is_looked_at() {
    let places = |row: &'static Directive| directives::sections_of(row.key).map(move |section| (section, row));
    let rows =
        directives::all().iter().flat_map(places).filter(|(section, row)| directives::find(section, row.key).is_some());
    let unread: Vec<_> =
        rows.filter(|(section, row)| !reading(section, row).1).map(|(at, row)| (at, row.key)).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

#[test]
fn every_directive_that_acts_or_will_act_has_a_typed_field() {
    let missing: Vec<&str> = directives::all()
        .iter()
        .filter(|directive| match directive.support {
            Support::Supported => true,
            // Rare options of sockets are checked by their kind until something reads them.
            Support::NotBuilt => !["X-Fleet", "Socket"].contains(&directive.section),
            Support::Inert(_) | Support::Refused(_) => false,
        })
        .filter(|directive| !reading(directive.section, directive).0)
        .map(|directive| directive.key)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_is_accepted_and_not_built_is_listed_unless_it_asks_for_the_default() {
    let text = "[Service]\nExecStart=/bin/a\nPrivateTmp=no\nPrivateDevices=yes\nCapabilityBoundingSet=\nWatchdogSec=0\nTasksMax=10\n";
    let spec = loaded("a.service", text).spec.unwrap();
    let listed: Vec<&str> = spec.unenforced.iter().map(|entry| entry.directive.as_str()).collect();
    assert_eq!(listed, ["CapabilityBoundingSet", "PrivateDevices=yes", "TasksMax=10"]);
}

#[test]
fn values_are_those_in_effect_under_their_present_names() {
    let text =
        "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\nTimeoutSec=5\nNice=1\nNice=\n[Fleet]\nNodes=a\n";
    let spec = loaded("a.service", text).spec.unwrap();
    let shown: Vec<String> =
        spec.values.iter().map(|(row, values)| format!("{}/{}={values:?}", row.section, row.key)).collect();
    assert_eq!(
        shown,
        [
            "Service/ExecStart=[\"/bin/b\"]",
            "Service/TimeoutStartSec=[\"5\"]",
            "Service/TimeoutStopSec=[\"5\"]",
            "X-Fleet/Nodes=[\"a\"]"
        ]
    );
}

#[test]
fn masked_units_and_units_without_a_file_are_errors() {
    let code = |name: &str, text: &str| loaded(name, text).diagnostics[0].code.clone();
    assert_eq!(code("a.service", ""), "masked");
    let context = Context { environment: "test".parse().unwrap(), host: None };
    let gone = load(&"a.service".parse().unwrap(), &Bundle::default(), &context);
    assert_eq!(gone.diagnostics[0].code, "no-unit-file");
}

#[test]
fn text_that_cannot_be_read_gives_its_own_error_and_no_follow_up() {
    let found = loaded("a.service", "[Service]\nExecStart=/bin/a\0\n");
    assert!(found.spec.is_none());
    assert_eq!(found.diagnostics.len(), 1, "{:?}", found.diagnostics);
}

/// Lines that are likely to say something, good and bad.
fn line() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let keys: Vec<&'static str> = directives::all().iter().map(|row| row.key).collect();
    let value = prop_oneof![
        "[ -~]{0,20}",
        "[%/a-z0-9.@:;=+!'\"\\\\-]{0,20}",
        Just("yes".to_owned()),
        Just("5min 20s".to_owned())
    ];
    prop_oneof![
        8 => (proptest::sample::select(keys), value).prop_map(|(key, value)| format!("{key}={value}")),
        2 => proptest::sample::select(vec!["[Unit]", "[Service]", "[Install]", "[X-Fleet]"]).prop_map(str::to_owned),
        1 => "[ -~]{0,20}",
    ]
}

proptest::proptest! {
    #[test]
    fn no_text_makes_loading_panic_and_equal_texts_mean_the_same(
        lines in proptest::collection::vec(line(), 0..12),
        name in proptest::sample::select(vec!["a.service", "a-b@x.service", "a.target", r"a@\x41\xff.service"]),
    ) {
        let text = format!("[Service]\nExecStart=/bin/a\n{}", lines.join("\n"));
        let (once, twice) = (loaded(name, &text), loaded(name, &text));
        proptest::prop_assert_eq!(&once.spec, &twice.spec);
        proptest::prop_assert_eq!(&once.diagnostics, &twice.diagnostics);
        for found in &once.diagnostics {
            proptest::prop_assert!(found.place.line as usize <= lines.len() + 3, "{}", found);
            proptest::prop_assert!(!found.message.chars().any(char::is_control), "{}", found);
        }
    }

    /// A drop-in that says what the unit file says last changes no value in effect.
    #[test]
    fn what_a_drop_in_repeats_changes_nothing(lines in proptest::collection::vec(line(), 0..8)) {
        let scalars: Vec<&String> = lines.iter().filter(|line| {
            let key = line.split('=').next().unwrap_or_default();
            directives::all().iter().any(|row| row.section == "Service" && row.key == key && !row.kind.is_list())
        }).collect();
        let body: String = scalars.iter().map(|line| format!("{line}\n")).collect();
        let name: UnitName = "a.service".parse().unwrap();
        let mut bundle = Bundle::default();
        let file = |text: String| SourceFile::new(false, text.into_bytes());
        bundle.files.insert("units/a.service".to_owned(), file(format!("[Service]\nExecStart=/bin/a\n{body}")));
        let context = Context { environment: "test".parse().unwrap(), host: None };
        let before = load(&name, &bundle, &context);
        bundle.files.insert("units/a.service.d/x.conf".to_owned(), file(format!("[Service]\n{body}")));
        let after = load(&name, &bundle, &context);
        proptest::prop_assert_eq!(before.spec, after.spec);
    }
}
