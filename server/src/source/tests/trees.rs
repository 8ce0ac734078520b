//! Reading the files of a commit.

use super::world::World;
use crate::source::git::{Git, oid};
use crate::source::tree::TreeReader;
use git2::{FileMode, ObjectType};

#[test]
fn only_the_folders_that_count_are_read_and_modes_are_kept() {
    let world = World::empty();
    let edits = [
        ("README.md", Some("x")),
        ("secrets/production/key.age", Some("x")),
        ("units/a.service", Some("x")),
        ("files/web/nginx.conf", Some("x")),
        ("environments/test/a.service.d/10.conf", Some("x")),
    ];
    let at = world.commit(&[], &edits, "first");
    let snapshot = TreeReader::default().read(world.source.git(), &at).unwrap();
    let paths: Vec<&str> = snapshot.files.keys().map(String::as_str).collect();
    let drop_in = "environments/test/a.service.d/10.conf";
    assert_eq!(paths, [drop_in, "files/web/nginx.conf", "secrets/production/key.age", "units/a.service"]);
    assert!(snapshot.diagnostics.is_empty());
    assert!(!snapshot.files["units/a.service"].executable);
}

#[test]
fn a_tree_read_after_another_one_is_the_same_as_read_alone() {
    let world = World::empty();
    let states: [&[(&str, Option<&str>)]; 5] = [
        &[("units/a.service", Some("1")), ("files/x/y/z", Some("1")), ("files/x/w", Some("1"))],
        &[("units/a.service", Some("2"))],
        &[("files/x/y/z", None), ("files/x/y", Some("a file now"))],
        &[("files/x/y", None), ("files/x/w", None), ("files/x", Some("even higher"))],
        &[("files/x", None), ("files/x/deep/down", Some("1")), ("units/b.service", Some("1"))],
    ];
    let mut heads = Vec::new();
    for edits in states {
        let parent = heads.last().cloned();
        heads.push(world.commit(parent.as_ref().as_slice(), edits, "change"));
    }
    let git = world.source.git();
    for from in &heads {
        for to in &heads {
            let mut reader = TreeReader::default();
            reader.read(git, from).unwrap();
            let after = reader.read(git, to).unwrap();
            let alone = TreeReader::default().read(git, to).unwrap();
            assert_eq!(after.files, alone.files);
        }
    }
}

#[test]
fn links_submodules_and_names_that_no_file_may_have_are_errors_at_their_place() {
    let world = World::empty();
    let repo = world.repo();
    let base = world.commit(&[], &[("units/a.service", Some("x"))], "first");
    let blob = repo.blob(b"/etc/passwd").unwrap();
    let mut units = repo.treebuilder(None).unwrap();
    units.insert("link.service", blob, FileMode::Link.into()).unwrap();
    units.insert("sub", oid(&base), FileMode::Commit.into()).unwrap();
    units.insert("fine.service", blob, FileMode::BlobExecutable.into()).unwrap();
    let units = units.write().unwrap();
    let mut root = repo.treebuilder(None).unwrap();
    root.insert("units", units, FileMode::Tree.into()).unwrap();
    let at = world.commit_tree(&[&base], root.write().unwrap(), "odd");
    let snapshot = TreeReader::default().read(world.source.git(), &at).unwrap();
    let places: Vec<&str> = snapshot.diagnostics.iter().map(|d| d.place.file.as_str()).collect();
    assert_eq!(places, ["units/link.service", "units/sub"]);
    assert!(snapshot.diagnostics.iter().all(|d| d.is_error() && d.code == "not-a-file"));
    assert!(snapshot.files["units/fine.service"].executable);
}

#[test]
fn hostile_trees_end_in_a_diagnostic_soon() {
    let world = World::empty();
    let repo = world.repo();
    let blob = repo.blob(b"x").unwrap();
    // Each level names the one below ten times: 10^20 files.
    let mut level = repo.treebuilder(None).unwrap();
    level.insert("f", blob, FileMode::Blob.into()).unwrap();
    let mut id = level.write().unwrap();
    for _ in 0..20 {
        let mut level = repo.treebuilder(None).unwrap();
        for name in 0..10 {
            level.insert(name.to_string(), id, FileMode::Tree.into()).unwrap();
        }
        id = level.write().unwrap();
    }
    let mut root = repo.treebuilder(None).unwrap();
    root.insert("files", id, FileMode::Tree.into()).unwrap();
    let bomb = world.commit_tree(&[], root.write().unwrap(), "bomb");
    let snapshot = TreeReader::default().read(world.source.git(), &bomb).unwrap();
    assert_eq!(snapshot.diagnostics[0].code, "too-many-files");

    // A name that libgit2's own builder refuses, as a hostile push might bring it.
    let mut bytes = b"100644 ..\0".to_vec();
    bytes.extend_from_slice(blob.as_bytes());
    let folder = repo.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap();
    let mut bytes = b"40000 units\0".to_vec();
    bytes.extend_from_slice(folder.as_bytes());
    let root = repo.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap();
    let at = world.commit_tree(&[], root, "dots");
    let snapshot = TreeReader::default().read(world.source.git(), &at).unwrap();
    assert_eq!((snapshot.diagnostics[0].code.as_str(), snapshot.files.len()), ("bad-name", 0));
}

#[test]
fn a_file_over_the_limit_is_named_and_not_read() {
    let world = World::empty();
    let large = "x".repeat(fleet_units::bundle::MAX_FILE + 1);
    let at = world.commit(&[], &[("files/large", Some(&large)), ("units/a.service", Some("x"))], "large");
    let snapshot = TreeReader::default().read(world.source.git(), &at).unwrap();
    assert_eq!(snapshot.diagnostics[0].code, "file-too-large");
    assert_eq!(snapshot.files.len(), 1);
}

#[test]
fn formats_that_libgit2_does_not_read_are_named() {
    let world = World::empty();
    let config = world.path.join("config");
    let text = std::fs::read_to_string(&config).unwrap();
    for (extension, named) in [("objectformat = sha256", "SHA-256"), ("refStorage = reftable", "reftable")] {
        let changed = text.replace("repositoryformatversion = 0", "repositoryformatversion = 1");
        std::fs::write(&config, format!("{changed}[extensions]\n\t{extension}\n")).unwrap();
        let error = Git::open(&world.path).err().expect("it cannot be read").to_string();
        assert!(error.contains(named), "{error}");
    }
}
