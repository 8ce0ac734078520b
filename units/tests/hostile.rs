//! Hostile text: refused with its place and a reason, within bounds of time and memory.

use fleet_units::bundle::{Bundle, SourceFile, SourceTree};
use fleet_units::diagnostic::Diagnostic;
use fleet_units::fleet::compile;
use fleet_units::ids::UnitName;
use fleet_units::spec::{Context, Loaded, load};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counts what is allocated, so that a test can bound it.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with the very arguments it came with; counting touches nothing else.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn bundle(name: &str, text: &[u8]) -> Bundle {
    Bundle { files: [(format!("units/{name}"), SourceFile::new(false, text))].into() }
}

fn read(name: &str, bundle: &Bundle) -> Loaded {
    load(&name.parse().expect("a name"), bundle, &Context { environment: "test".parse().unwrap(), host: None })
}

fn loaded(name: &str, text: &[u8]) -> Loaded {
    read(name, &bundle(name, text))
}

/// The first error of a service with `text`, as people see it.
fn error(text: &[u8]) -> String {
    let loaded = loaded("a.service", text);
    let error = loaded.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
    error.map_or_else(|| format!("no error: {:?}", loaded.diagnostics), Diagnostic::to_string)
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_stand() {
    for (text, wanted) in [
        (
            &b"[Service]\nExecStart=/bin/a\0b\n"[..],
            "units/a.service:2:17: error[control-character]: the control character U+0000",
        ),
        (b"[Service]\nExecStart=/bin/a \x1b[31m\n", "units/a.service:2:18: error[control-character]"),
        (b"[Service]\nExecStart=/bin/a\x7f\n", "units/a.service:2:17: error[control-character]"),
        (b"[Service]\nExecStart=/bin/\xff\n", "units/a.service:2:16: error[not-utf8]: the byte 0xff"),
        ("[Service]\nExecStart=/bin/a \u{202e}x\n".as_bytes(), "units/a.service:2:18: error[control-character]"),
    ] {
        let found = error(text);
        assert!(found.starts_with(wanted), "{found}");
    }
}

#[test]
fn a_line_cannot_be_smuggled_in() {
    // By an escape: a variable may hold a line end, as in systemd, but no other control character.
    assert!(
        error(b"[Service]\nExecStart=/bin/a\nEnvironment=\"A=x\\x1b[2J\"\n")
            .contains("error[bad-value]: Environment=: the value of A holds a control character")
    );
    assert!(loaded("a.service", b"[Service]\nExecStart=/bin/a\nEnvironment=\"A=x\\ny\"\n").spec.is_some());
    // By the instance.
    let text = b"[Service]\nExecStart=/bin/a\nEnvironment=A=%I\n";
    let found = loaded(r"a@x\x0aB.service", text).diagnostics;
    assert!(found[0].to_string().contains("control character"), "{found:?}");
    // By an escape where the result is a path.
    for line in ["ExecReload=\"/bin/a\\nb\"", "ExecReload=/bin/a\\x0ab"] {
        let found = error(format!("[Service]\nExecStart=/bin/a\n{line}\n").as_bytes());
        assert!(found.starts_with("units/a.service:3:") && found.contains("control character"), "{line}: {found}");
    }
}

#[test]
fn names_are_ascii_short_and_lead_nowhere() {
    let long = format!("{}.service", "a".repeat(300));
    for name in [
        long.as_str(),
        "wеb.service",
        "../a.service",
        "a/b.service",
        "..",
        "a\0b.service",
        "a b.service",
        "a\nb.service",
        ".service",
        "@x.service",
    ] {
        let refused = name.parse::<UnitName>().unwrap_err().to_string();
        assert!(refused.contains(": ") && !refused.contains('\n') && refused.len() < 200, "{refused}");
    }
    // As a dependency, with its place.
    for name in [long.as_str(), "wеb.service", "../a.service", "a/b.service"] {
        let found = error(format!("[Unit]\nAfter={name}\n[Service]\nExecStart=/bin/a\n").as_bytes());
        assert!(found.starts_with("units/a.service:2:7: error[bad-value]: After=: "), "{found}");
    }
    // As a file of the repository.
    let tree: SourceTree =
        [("units/wеb.service", "[Service]\nExecStart=/bin/a\n"), (&format!("units/{long}"), "[Service]\n")]
            .map(|(path, text)| (path.to_owned(), SourceFile::new(false, text.as_bytes())))
            .into();
    let found = compile(&"test".parse().unwrap(), &tree).diagnostics;
    let refused = found.iter().filter(|diagnostic| diagnostic.code == "bad-unit-name" && diagnostic.is_error());
    assert_eq!(refused.count(), 2, "{found:?}");
}

#[test]
fn keys_that_look_like_others_are_not_taken_for_them() {
    let found = loaded("a.service", "[Service]\nExecStаrt=/bin/a\n".as_bytes()).diagnostics;
    assert!(found.iter().any(|d| d.code == "unknown-directive" && d.place.line == 2 && d.is_error()), "{found:?}");
    let found = loaded("a.service", "[Sеrvice]\nExecStart=/bin/a\n".as_bytes()).diagnostics;
    assert!(found.iter().any(|d| d.code == "unknown-section" && d.place.line == 1), "{found:?}");
}

#[test]
fn paths_lead_only_downwards() {
    for line in [
        "RuntimeDirectory=../x",
        "StateDirectory=a/../../b",
        "StateDirectory=/etc",
        "RootDirectory=/a/../..",
        "ReadWritePaths=/a/../b",
    ] {
        let found = error(format!("[Service]\nExecStart=/bin/a\n{line}\n").as_bytes());
        assert!(found.starts_with("units/a.service:3:") && found.contains("error[bad-value]"), "{line}: {found}");
    }
    let found = error(b"[Service]\nExecStart=/bin/a\n[X-Fleet]\nFiles=../secrets/x\n");
    assert!(found.starts_with("units/a.service:4:7: error[bad-value]"), "{found}");
}

/// Large inputs, each with the code it is refused for; "" where it is fine.
fn large() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let service = |body: &str| format!("[Service]\nExecStart=/bin/a\n{body}").into_bytes();
    let mb = 1 << 20;
    vec![
        ("a line of 10 MB", service(&format!("Environment=A={}\n", "x".repeat(10 * mb))), "file-too-large"),
        ("continuations of 10 MB", service(&"\\\n".repeat(5 * mb)), "file-too-large"),
        ("100,000 keys", service(&"Environment=A=1\n".repeat(100_000)), "file-too-large"),
        ("60,000 keys", service(&"Environment=A=1\n".repeat(60_000)), "too-many-assignments"),
        ("9,000 keys", service(&"Environment=A=1\n".repeat(9_000)), ""),
        ("9,000 unknown keys", service(&"Frobnicate=1\n".repeat(9_000)), "unknown-directive"),
        ("9,000 bad values", service(&"Nice=x\n".repeat(9_000)), "bad-value"),
        ("100,000 sections", service(&"[Bogus]\n".repeat(100_000)), "too-many-assignments"),
        ("9,000 sections", service(&"[Bogus]\n".repeat(9_000)), ""),
        ("a line of 120 KB", service(&format!("Environment={}\n", "A=1 ".repeat(30_000))), ""),
        ("a megabyte of comments", service(&"# x\n".repeat(mb / 4 - 100)), ""),
        ("a megabyte of brackets", service(&"[\n".repeat(mb / 2 - 100)), "bad-section-header"),
        ("a megabyte of words", service(&"word\n".repeat(mb / 5 - 100)), "missing-equals"),
        (
            "20,000 dependencies",
            format!("[Unit]\nAfter={}\n[Service]\nExecStart=/bin/a\n", "a.service ".repeat(12_000)).into_bytes(),
            "",
        ),
        ("specifiers", service(&format!("Environment={}\n", "A=%n%i ".repeat(15_000))), ""),
        ("quotes", service(&format!("Environment={}\n", "\"A=\\\"\" ".repeat(15_000))), ""),
        ("a deep selector", service(&format!("[X-Fleet]\nNodes={}\n", "a,!b,".repeat(20_000) + "c")), ""),
    ]
}

/// A template that asks for many instances of a long file costs no more than ten thousand units do.
#[test]
fn instances_do_not_multiply_what_a_file_costs() {
    let template = |instances: &str, lines: usize| {
        let body = "Environment=A=1\n".repeat(lines);
        format!("[Service]\nExecStart=/bin/a\n{body}[X-Fleet]\nInstances={instances}\n").into_bytes()
    };
    let names = |count: usize| (0..count).map(|number| format!("n{number} ")).collect::<String>();
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 20_000 } else { 2000 });
    for (what, text, code) in [
        ("9,000 names", template(&names(9_000), 0), "too-many-units"),
        ("10,000 instances of 9,900 settings", template("10000", 9_900), "too-many-units"),
        ("400 names", template(&names(400), 0), ""),
        ("10,000 instances", template("10000", 10), ""),
    ] {
        let tree = SourceTree::from([("units/w@.service".to_owned(), SourceFile::new(false, text))]);
        let start = Instant::now();
        let compiled = compile(&"test".parse().unwrap(), &tree);
        let time = start.elapsed();
        let errors: Vec<&str> = compiled.diagnostics.iter().filter(|d| d.is_error()).map(|d| &*d.code).collect();
        assert_eq!(errors.first().copied().unwrap_or_default(), code, "{what}");
        assert!(errors.len() <= 1, "{what}: {errors:?}");
        println!("{what}: {time:?}");
        assert!(time < bound, "{what}: {time:?}");
    }
}

/// The bounds are those of the documentation: 100 ms and 64 MiB. A build without optimisation has ten times as long, and a
/// busy machine several tries.
#[test]
fn no_input_takes_long_or_much() {
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 100 });
    for (what, text, code) in large() {
        // Its digest is the work of whoever reads the repository.
        let bundle = bundle("a.service", &text);
        let mut best = Duration::MAX;
        for _ in 0..5 {
            PEAK.store(NOW.load(Relaxed), Relaxed);
            let (before, start) = (NOW.load(Relaxed), Instant::now());
            let found = read("a.service", &bundle);
            best = best.min(start.elapsed());
            let peak = PEAK.load(Relaxed) - before;
            assert!(peak < 64 << 20, "{what}: {} MiB", peak >> 20);
            let errors: Vec<&str> = found.diagnostics.iter().filter(|d| d.is_error()).map(|d| &*d.code).collect();
            assert_eq!(errors.first().copied().unwrap_or_default(), code, "{what}");
        }
        println!("{what}: {best:?}");
        assert!(best < bound, "{what}: {best:?}");
    }
}
