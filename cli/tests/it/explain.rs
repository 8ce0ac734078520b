//! `fleet explain`: directives, codes, sections.

use crate::run::Person;

#[test]
fn a_key_is_explained_from_the_table() {
    let wanted = "\
Restart= in [Service]
  After which ends it is started again.

  value      no, on-success, on-failure, on-abnormal, on-watchdog, on-abort, always
  default    no
  support    supported
  on change  none: the new value is used from then on
  manual     systemd.service(5)
";
    let person = Person::new();
    for word in ["Restart", "Restart=", "Service/Restart"] {
        assert_eq!(person.fleet(&format!("explain {word}")).exits(0).stdout, wanted);
    }
    let value = person.fleet("explain PrivateTmp -o json").exits(0).json();
    let row = &value["directives"][0];
    assert_eq!((&value["schema"], &row["section"], &row["key"]), (&1.into(), &"Service".into(), &"PrivateTmp".into()));
    for key in ["doc", "value", "default", "support", "reason", "change", "manual"] {
        assert!(row[key].is_string(), "{key}: {row}");
    }
}

#[test]
fn what_sockets_share_with_services_is_explained_for_both() {
    let person = Person::new();
    for word in ["Socket/User", "Service/User", "User"] {
        let ran = person.fleet(&format!("explain {word}")).exits(0);
        assert!(ran.stdout.starts_with("User= in [Service] and [Socket]\n"), "{}", ran.stdout);
        assert_eq!(ran.stdout.matches("  value").count(), 1, "{}", ran.stdout);
    }
    let ran = person.fleet("explain --section Socket").exits(0);
    assert!(ran.stdout.contains("\nUser ") && ran.stdout.contains("\nListenStream "), "{}", ran.stdout);
}

#[test]
fn an_old_spelling_leads_to_what_it_means() {
    let person = Person::new();
    let ran = person.fleet("explain Service/StartLimitInterval").exits(0);
    assert!(ran.stdout.starts_with("StartLimitIntervalSec= in [Unit]\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  StartLimitInterval= in [Service] is an old spelling of it.\n"), "{}", ran.stdout);
    let ran = person.fleet("explain TimeoutSec").exits(0);
    let found = ["TimeoutStartSec= in [Service]\n", "TimeoutStopSec= in [Service]\n"];
    assert!(found.iter().all(|line| ran.stdout.contains(line)), "{}", ran.stdout);
}

#[test]
fn a_code_has_its_section_of_the_page_of_errors() {
    let wanted = "\
dependency-not-in-set  (warning; Across units)
  A unit needs or wants one that this environment does not have.
  way out: Add it, or correct the name. If the host has it, nothing is wrong.
  allow it by a comment in its file: # fleet-allow: dependency-not-in-set: reason
";
    let person = Person::new();
    assert_eq!(person.fleet("explain dependency-not-in-set").exits(0).stdout, wanted);
    let value = person.fleet("explain bad-value -o json").json();
    assert_eq!((&value["code"], &value["severity"]), (&"bad-value".into(), &"error".into()));
}

#[test]
fn sections_are_counted_and_listed() {
    let person = Person::new();
    let ran = person.fleet("explain").exits(0);
    assert!(ran.stdout.starts_with("SECTION") && ran.stdout.contains("\n[X-Fleet]"), "{}", ran.stdout);
    let sections = person.fleet("explain -o json").json();
    let of_fleet = sections["sections"].as_array().unwrap().iter().find(|at| at["section"] == "X-Fleet").unwrap();
    for section in ["X-Fleet", "Fleet", "[Fleet]"] {
        let ran = person.fleet(&format!("explain --section {section}")).exits(0);
        assert_eq!(ran.stdout.lines().count() - 1, of_fleet["directives"].as_u64().unwrap() as usize);
        assert!(ran.stdout.contains("\nNodes "), "{}", ran.stdout);
    }
}

#[test]
fn what_nobody_knows_offers_what_is_near() {
    let person = Person::new();
    let cases = [
        ("ExecStrat", "error: ExecStrat is no directive, and no code of a finding\n  hint: did you mean ExecStart?\n"),
        ("bad-valeu", "error: bad-valeu is no directive, and no code of a finding\n  hint: did you mean bad-value?\n"),
        ("Unit/ExecStart", "error: [Unit] knows no ExecStart=\n  hint: ExecStart= belongs in [Service]\n"),
        ("Units/After", "error: there is no section [Units]\n  hint: did you mean Unit?\n"),
        ("--section Servcie", "error: there is no section [Servcie]\n  hint: did you mean Service?\n"),
    ];
    for (word, wanted) in cases {
        assert_eq!(person.fleet(&format!("explain {word}")).exits(1).stderr, wanted);
    }
    person.fleet("explain A --section Unit").exits(2);
}
