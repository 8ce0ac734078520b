//! The table of cases, what findings must not show, and bounds.

use super::*;
use crate::bundle::SourceFile;
use crate::syntax::Document;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Cases of `testdata/secrets`.
fn cases(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split("\n\n").skip(1).flat_map(str::lines).filter(|line| !line.starts_with("# ") && !line.is_empty())
}

/// What is found in one line of the table: the messages, all that findings show, and the text itself.
fn look(case: &str) -> (Vec<String>, String, String) {
    let case = case.replace('~', "").replace("\\n", "\n").replace("\\r", "\r").replace("\\\n", "\\n");
    let (text, diagnostics) = match case.strip_prefix("file | ") {
        Some(text) => (text.to_owned(), delivered("files/a", text.as_bytes())),
        None => {
            let text = format!("[Service]\n{case}\n");
            let document = Document::parse("units/a.service", text.as_bytes()).document.expect("it is a unit file");
            (text, in_unit(&document))
        }
    };
    let shown = diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    (diagnostics.into_iter().map(|found| found.message).collect(), shown, text)
}

#[test]
fn every_secret_of_the_table_is_found_and_its_value_is_not_shown() {
    let mut count = 0;
    for case in cases(include_str!("../../../testdata/secrets/found.txt")) {
        let (what, case) = case.split_once(" | ").expect("a case says what it is found as");
        let (messages, shown, text) = look(case);
        let [message] = messages.as_slice() else { panic!("{case}: {messages:?}") };
        assert!(message.contains(what), "{case}: {message}");
        // No piece of the value is shown: whatever of the text findings hold is a name or the key.
        let pieces = text.split(|c: char| c.is_whitespace() || "=:@/\"'".contains(c)).filter(|piece| piece.len() >= 6);
        for piece in pieces.filter(|piece| piece.bytes().any(|byte| byte.is_ascii_digit())) {
            assert!(!shown.contains(piece), "{case}: {piece} is shown in {shown}");
        }
        count += 1;
    }
    assert!(count > 30, "the table is gone");
}

#[test]
fn nothing_is_found_where_no_secret_is() {
    let mut count = 0;
    for case in cases(include_str!("../../../testdata/secrets/fine.txt")) {
        let (messages, ..) = look(case);
        assert!(messages.is_empty(), "{case}: {messages:?}");
        count += 1;
    }
    assert!(count > 40, "the table is gone");
}

/// A header with one recipient, as age 1.2 writes it, and `payload` behind it.
fn ciphertext(payload: &[u8]) -> Vec<u8> {
    let header = "age-encryption.org/v1\n-> X25519 CJM36AHmTbdHSuOQL+NESqyVQE75f2e610iRdLPEN20\n\
                  C3ZAeY64NXS4QFrksLm3EGz+uPRyI0eQsWw7LWbbYig\n--- gxhoSa5BciRDt8lOpYNcx4EYtKpS0CJ06F3ZwN82VaM\n";
    [header.as_bytes(), payload].concat()
}

/// The same in armor.
fn armored(binary: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = binary.chunks(3).map(|group| {
        let bits = (0..3).fold(0u32, |bits, index| bits << 8 | u32::from(group.get(index).copied().unwrap_or(0)));
        let digit = |place: usize| char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]);
        (0..4).map(|place| if place <= group.len() { digit(place) } else { '=' }).collect::<String>()
    });
    let lines: Vec<String> = groups.collect::<Vec<_>>().chunks(16).map(|line| line.concat()).collect();
    format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n", lines.join("\n"))
}

#[test]
fn ciphertext_of_age_is_told_from_all_else_by_its_structure() {
    let binary = ciphertext(&[7; 64]);
    for content in [binary.clone(), armored(&binary).into_bytes(), armored(&binary).replace('\n', "\r\n").into_bytes()]
    {
        assert_eq!(age::fault(&content), None, "{}", String::from_utf8_lossy(&content));
    }
    let text = String::from_utf8(ciphertext(&[7; 64])).unwrap();
    for (content, reason) in [
        ("hunter2".to_owned(), "does not begin"),
        (String::new(), "does not begin"),
        ("age-encryption.org/v1\nhunter2 and more than thirty-two bytes of it".to_owned(), "no recipient"),
        (text.replace("---", "--"), "damaged"),
        (text.replace("\nC3ZA", "\nC3Z!"), "damaged"),
        (text.replace("-> X25519 ", "-> X25519  "), "damaged"),
        (String::from_utf8(ciphertext(b"short")).unwrap(), "cut off"),
        (armored(b"hunter2"), "does not begin"),
        (armored(&binary).replace("-----END AGE", "password=hunter2\n-----END AGE"), "armor"),
        (armored(&binary).replace("-----END", "----END"), "armor"),
    ] {
        let fault = age::fault(content.as_bytes());
        assert!(fault.is_some_and(|fault| fault.contains(reason)), "{content}: {fault:?}");
    }
}

#[test]
fn below_secrets_only_ciphertext_recipients_and_notes_may_stand() {
    let file = |content: &[u8]| SourceFile::new(false, content);
    let tree: SourceTree = [
        ("secrets/test/a.age", ciphertext(&[7; 64])),
        ("secrets/test/b.age", b"hunter2\n".to_vec()),
        ("secrets/other/c", b"hunter2\n".to_vec()),
        ("secrets/README.md", b"How to encrypt.\n".to_vec()),
        ("secrets/test/.gitkeep", Vec::new()),
        ("secrets/recipients.txt", b"# ops\nage1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n".to_vec()),
        ("secrets/empty.txt", Vec::new()),
    ]
    .map(|(path, content)| (path.to_owned(), file(&content)))
    .into();
    let environment = "test".parse().unwrap();
    let found = committed(&environment, &tree).map(|path| (path, in_committed(path, &tree[path].content)));
    let found: Vec<_> = found.filter(|(_, found)| !found.is_empty()).collect();
    let paths: Vec<&str> = found.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, ["secrets/empty.txt", "secrets/other/c", "secrets/test/b.age"]);
    assert!(found.iter().all(|(_, file)| file.diagnostics[0].code == "secret-not-encrypted"));
    assert!(found.iter().all(|(_, file)| !file.diagnostics[0].to_string().contains("hunter")));
}

/// Texts that make a careless scanner slow: 16 MiB each, and the bound of one input is 100 ms. Without optimisation
/// 256 KiB have five times as long.
#[test]
fn no_large_text_takes_longer_than_the_bound() {
    let (size, bound) = if cfg!(debug_assertions) { (256 << 10, 500) } else { (16 << 20, 100) };
    let fill = |piece: &str| piece.repeat(size / piece.len());
    let armor = format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}-----END AGE ENCRYPTED FILE-----", fill("AAAA\n"));
    let pieces = [
        "ey",
        "-ey",
        " eyJ.ey",
        "://",
        "a:b@",
        "x://a:",
        "ghp_",
        " ghp_",
        "\n",
        "PASSWORD=",
        "PASSWORD=a\n",
        "_key_pass",
        "-----BEGIN ",
        "AKIAQ3EGRXW7LZ5N2YHT ",
        "AKIAQ3EGRXW7LZ5N2YHT\n",
    ];
    for text in pieces.map(fill).into_iter().chain([armor]) {
        let time = |_| {
            let start = Instant::now();
            let found = delivered("files/a", text.as_bytes()).len() + secret("secrets/a", text.as_bytes()).len();
            assert!(found <= 3 * MAX_FINDINGS);
            start.elapsed()
        };
        let best = (0..3).map(time).min().expect("three runs");
        println!("{:?}: {best:?}", &text[..20]);
        assert!(best < Duration::from_millis(bound), "{:?}: {best:?}", &text[..20]);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(ghp_|ey|://|:|@|[a-zA-Z0-9._-]{0,40}|=|PASSWORD|\\n|é){0,20}") {
        let _ = (delivered("files/a", &bytes), secret("secrets/a", &bytes));
        let _ = (delivered("files/a", text.as_bytes()), secret("secrets/a", text.as_bytes()));
        if let Some(document) = Document::parse("units/a.service", format!("[Service]\nEnvironment={text}").as_bytes()).document {
            let _ = in_unit(&document);
        }
    }
}
