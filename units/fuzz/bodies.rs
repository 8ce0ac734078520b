//! What must hold of any input, one function for each fuzz target. Called by the fuzzer's targets and, on seeded
//! inputs, by `tests/fuzz.rs`.

use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::calendar::{CalendarSpec, CivilTime};
use fleet_units::selector::Selector;
use fleet_units::spec::{Context, load};
use fleet_units::syntax::Document;
use fleet_units::syntax::words::{Escapes, split};

/// A document prints back byte for byte, and every place it gives is one of the text.
pub fn document(bytes: &[u8]) {
    let parsed = Document::parse("f", bytes);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.place.line <= lines, "{diagnostic}");
    }
    let Some(document) = parsed.document else {
        assert!(parsed.diagnostics.iter().any(|diagnostic| diagnostic.is_error()), "refused without a reason");
        return;
    };
    assert_eq!(document.to_string().as_bytes(), bytes);
    for (section, assignment) in document.assignments() {
        assert!(section.line <= assignment.line && !assignment.key.is_empty());
        for offset in [0, assignment.value.len() / 2, assignment.value.len()] {
            let (line, column) = assignment.position(offset);
            assert!((assignment.line..=lines).contains(&line) && column > 0);
        }
    }
}

/// Words that were quoted are the same words again, whatever they hold.
pub fn words(text: &str) {
    for escapes in [Escapes::C, Escapes::CRelaxed, Escapes::Keep, Escapes::Plain] {
        let Ok(words) = split(text, escapes) else { continue };
        for word in &words {
            assert!(text.is_char_boundary(word.offset));
        }
        if escapes == Escapes::C {
            let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let quoted: Vec<String> = words.iter().map(|word| quote(&word.text)).collect();
            let again = split(&quoted.join(" "), Escapes::C).expect("it is quoted");
            assert!(words.iter().map(|word| &word.text).eq(again.iter().map(|word| &word.text)), "{text:?}");
        }
    }
}

/// A selector prints as one that means the same.
pub fn selector(text: &str) {
    let Ok(selector) = text.parse::<Selector>() else { return };
    let printed = selector.to_string();
    assert_eq!(printed.parse::<Selector>().as_ref(), Ok(&selector), "{text:?} printed as {printed:?}");
}

/// A calendar event prints as one that means the same, and elapses only later than now.
pub fn calendar(text: &str) {
    let Ok(event) = text.parse::<CalendarSpec>() else { return };
    let printed = event.to_string();
    // Not the same value: what every second covers is left out of the list of seconds.
    let again: CalendarSpec =
        printed.parse().unwrap_or_else(|error| panic!("{text:?} printed as {printed:?}: {error}"));
    assert_eq!(again.to_string(), printed, "{text:?}");
    // The last microsecond of 28 February 2024.
    let mut now = CivilTime::from_epoch_micros(1_709_164_799_999_999);
    for _ in 0..5 {
        let Some(next) = event.next_after(now) else { return };
        assert!(next > now, "{text:?}: {next:?} is not after {now:?}");
        assert_eq!(again.next_after(now), Some(next), "{text:?} after {now:?}");
        now = next;
    }
}

/// A unit file and, behind the first NUL, a drop-in: a unit comes out, or an error, and twice the same. What kind of
/// unit it is depends on the first byte.
pub fn unit(bytes: &[u8]) {
    const NAMES: [&str; 4] = ["a.service", "a@x.service", "a.timer", "a.socket"];
    let Some((first, bytes)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*first) % NAMES.len()];
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (file, drop_in) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let context = Context { environment: "test".parse().expect("it is a label"), host: None };
    let mut bundle = Bundle::default();
    bundle.files.insert(format!("units/{name}"), SourceFile::new(false, file));
    bundle.files.insert(format!("units/{name}.d/1.conf"), SourceFile::new(false, drop_in));
    let name = name.parse().expect("it is a name");
    let loaded = load(&name, &bundle, &context);
    let failed = loaded.diagnostics.iter().any(|diagnostic| diagnostic.is_error());
    assert_eq!(loaded.spec.is_none(), failed, "a unit, or an error");
    let again = load(&name, &bundle, &context);
    assert_eq!((loaded.spec, loaded.diagnostics), (again.spec, again.diagnostics), "a second time");
}
