use super::*;
use proptest::prelude::*;

fn parsed(text: &str) -> (Vec<String>, Vec<String>) {
    let Parsed { document, diagnostics } = Document::parse("f", text.as_bytes());
    let document = document.expect("it is text");
    assert_eq!(document.to_string(), text);
    let show = |(section, a): (&Section, &Assignment)| {
        let (line, column) = a.position(0);
        format!("{}/{}={}@{}:{},{line}:{column}", section.name, a.key, a.value, a.line, a.column)
    };
    let errors = diagnostics.iter().map(|d| format!("{}@{}:{}", d.code, d.place.line, d.place.column));
    (document.assignments().map(show).collect(), errors.collect())
}

#[test]
fn assignments_have_section_key_value_and_places() {
    let (found, errors) = parsed("[A]\n x = 1 \n# c\n; c\n\ny=\n[B]\r\nz==é\r\n");
    assert_eq!(found, ["A/x=1@2:2,2:6", "A/y=@6:1,6:3", "B/z==é@8:1,8:3"]);
    assert!(errors.is_empty());
}

#[test]
fn a_backslash_joins_lines_and_comments_between_them_are_skipped() {
    let (found, _) = parsed("[A]\nx=a \\\n# c \\\n  ; c\n  b\\\nc\ny=\\\\\nz=1\\\n\nw=2\n");
    assert_eq!(found, ["A/x=a    b c@2:1,2:3", "A/y=\\\\@7:1,7:3", "A/z=1@8:1,8:3", "A/w=2@10:1,10:3"]);
    let document = Document::parse("f", b"[A]\nx=a \\\n  b c\n").document.unwrap();
    let (_, x) = document.assignments().next().unwrap();
    assert_eq!(x.position(x.value.find('c').unwrap()), (3, 5));
    assert_eq!(parsed("[A]\nx=a\\").0, ["A/x=a@2:1,2:3"]);
}

#[test]
fn garbage_is_reported_with_line_and_column_and_the_rest_is_read() {
    let (found, errors) = parsed("x=1\n[A]\n  word\n=1\n[B\ny=2\n[]\n[C]\nz=3");
    assert_eq!(
        errors,
        ["no-section@1:1", "missing-equals@3:3", "missing-key@4:1", "bad-section-header@5:1", "bad-section-header@7:1"]
    );
    assert_eq!(found.last().unwrap(), "C/z=3@9:1,9:3");
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    let refused = |bytes: &[u8]| {
        let parsed = Document::parse("f", bytes);
        assert!(parsed.document.is_none());
        parsed.diagnostics[0].to_string()
    };
    assert!(refused(b"[A]\nx=\0").starts_with("f:2:3: error[control-character]"));
    assert!(refused(b"[A]\nx=\x1b[1m").starts_with("f:2:3: error[control-character]"));
    assert!(refused(b"[A]\rx=1").starts_with("f:1:4: error[control-character]"));
    assert!(refused("[A]\nx=é\u{202e}".as_bytes()).starts_with("f:2:4: error[control-character]"));
    assert!(refused(b"[A]\nx=\xff").starts_with("f:2:3: error[not-utf8]"));
    assert!(refused(&vec![b'#'; (1 << 20) + 1]).starts_with("f: error[file-too-large]"));
}

#[test]
fn long_lines_and_many_assignments_are_refused() {
    let long = format!("[A]\nx={}\ny=1\n", "a".repeat(MAX_LINE));
    assert_eq!(parsed(&long), (vec!["A/y=1@3:1,3:3".into()], vec!["line-too-long@2:1".into()]));
    let joined = format!("[A]\nx={}", "aaaaaaa\\\n".repeat(MAX_LINE / 8 + 1));
    assert_eq!(parsed(&joined).1[0], "line-too-long@2:1");
    let many = format!("[A]\n{}", "x=1\n".repeat(20_000));
    assert_eq!(parsed(&many).1, ["too-many-assignments@10001:1"]);
}

proptest! {
    #[test]
    fn a_document_prints_back_what_was_read(text in "([ \\t]{0,2}[#;=a-c\\[\\]\\\\]{0,4}(\\n|\\r\\n)?){0,12}") {
        let document = Document::parse("f", text.as_bytes()).document.expect("it is text");
        prop_assert_eq!(document.to_string(), text);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let parsed = Document::parse("f", &bytes);
        if let Some(document) = parsed.document {
            for (_, assignment) in document.assignments() {
                for offset in 0..=assignment.value.len() + 1 {
                    let _ = assignment.position(offset);
                }
            }
        }
    }
}
