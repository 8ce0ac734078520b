//! `fleet import systemd`: units of a host become those of a repository.

use crate::run::Person;
use std::os::unix::fs::symlink;

fn person() -> Person {
    let person = Person::new();
    let web = "[Unit]\nWants=db.service\n[Service]\nExecStart=/usr/bin/web\nEnvironmentFile=/etc/default/web\n\
               PrivateTmp=yes\n[Install]\nWantedBy=multi-user.target\n";
    person.write("etc/web.service", web);
    person.write("etc/web.service.d/10.conf", "[Service]\nUser=web\n");
    person.write("etc/worker@.service", "[Service]\nExecStart=/usr/bin/worker %i\n");
    person.write("etc/data.mount", "[Mount]\nWhat=/dev/sda1\n");
    person.write("etc/multi-user.target.wants/README", "");
    symlink("../worker@.service", person.path("etc/multi-user.target.wants/worker@7.service")).unwrap();
    symlink("web.service", person.path("etc/www.service")).unwrap();
    symlink("/dev/null", person.path("etc/off.service")).unwrap();
    std::fs::create_dir(person.path("repo")).unwrap();
    person
}

fn read(person: &Person, path: &str) -> String {
    std::fs::read_to_string(person.path(path)).unwrap()
}

#[test]
fn a_folder_is_taken_over_with_drop_ins_names_and_instances() {
    let person = person();
    let wanted = "\
data.mount  not taken over
  units/data.mount: error[unit-kind]: Fleet has no .mount units
    hint: the kinds are .service, .target, .timer and .socket
web.service  taken over
  unenforced (accepted, and not in effect):
    not-built-yet: PrivateTmp=yes
  needs on the host: /etc/default/web (EnvironmentFile=), /usr/bin/web (ExecStart=)
  names units that are not here: db.service
  note: not enabled on the host; Fleet starts every service it places: Start=manual in [X-Fleet] leaves that to you
worker@.service  taken over
  needs on the host: /usr/bin/worker (ExecStart=)
off.service  not taken over
  note: it is masked
";
    let ran = person.fleet("import systemd etc --into repo").exits(0);
    assert_eq!(ran.stdout, wanted);
    assert_eq!(ran.stderr, "2 units taken over into repo/units, 2 not\n");
    for file in ["web.service", "web.service.d/10.conf", "worker@.service"] {
        assert_eq!(read(&person, &format!("repo/units/{file}")), read(&person, &format!("etc/{file}")));
    }
    assert!(read(&person, "repo/units/web.service.d/50-import.conf").ends_with("[Install]\nAlias=www.service\n"));
    assert!(read(&person, "repo/units/worker@.service.d/50-import.conf").ends_with("[X-Fleet]\nInstances=7 7\n"));
    assert!(!person.path("repo/units/data.mount").exists() && !person.path("repo/units/off.service").exists());
    person.fleet("lint repo").exits(0);
    assert!(person.fleet("render worker@7 repo -e test").exits(0).stdout.contains("ExecStart=/usr/bin/worker 7\n"));
}

#[test]
fn nothing_is_overwritten_unasked_and_a_dry_run_writes_nothing() {
    let person = person();
    person.fleet("import systemd etc --into repo --dry-run").exits(0);
    assert!(!person.path("repo/units").exists());
    person.write("repo/units/web.service", "[Service]\nExecStart=/bin/mine\n");
    let ran = person.fleet("import systemd etc --into repo").exits(1);
    assert!(ran.stderr.contains("nothing was written\n  hint: units/web.service\n"), "{ran:?}");
    assert!(!person.path("repo/units/worker@.service").exists());
    person.fleet("import systemd etc --into repo --dry-run").exits(1);
    person.fleet("import systemd etc --into repo --force").exits(0);
    assert_eq!(read(&person, "repo/units/web.service"), read(&person, "etc/web.service"));
    person.fleet("import systemd etc --into repo").exits(0);
}

#[test]
fn a_link_in_the_repository_is_replaced_and_not_followed() {
    let person = person();
    person.write("precious", "mine");
    std::fs::create_dir(person.path("repo/units")).unwrap();
    symlink(person.path("precious"), person.path("repo/units/web.service")).unwrap();
    person.fleet("import systemd etc/web.service --into repo").exits(1);
    person.fleet("import systemd etc/web.service --into repo --force").exits(0);
    assert_eq!(read(&person, "precious"), "mine");
}

#[test]
fn what_cannot_be_taken_over_is_said() {
    let person = person();
    person.fleet("import systemd etc/data.mount --into repo").exits(1);
    person.write("bad.service", "[Service]\nExecStrat=/bin/x\n");
    let value = person.fleet("import systemd bad.service --into repo -o json").exits(1).json();
    assert_eq!((&value["schema"], &value["units"][0]["taken"]), (&1.into(), &false.into()));
    assert!(!person.path("repo/units/bad.service").exists());
    person.fleet("import systemd etc --into nowhere").exits(2);
    person.fleet("import systemd --into repo").exits(2);
    person.fleet("import systemd missing.service --into repo").exits(1);
    assert!(person.fleet("import systemd repo --into repo").exits(1).stderr.contains("no unit files"));
}
