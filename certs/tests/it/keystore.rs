use crate::world::{ALICE, NODE, World};
use fleet_certs::keystore::{Keystore, KeystoreError, PendingKey};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn what_was_stored_is_what_is_read() {
    let world = World::new();
    let credentials = world.issue(NODE);
    let keystore = world.store("node", &credentials);
    let read = keystore.load().unwrap();
    assert_eq!(read.me(), credentials.me());
    assert_eq!(read.chain(), credentials.chain());
    assert_eq!(read.roots(), credentials.roots());
}

#[test]
fn an_empty_keystore_says_so() {
    let world = World::new();
    assert!(matches!(Keystore::new(&world.path("none")).load(), Err(KeystoreError::Empty(_))));
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let world = World::new();
    let other = world.issue(NODE);
    let mixed = PendingKey::generate().unwrap().complete(other.chain().to_vec(), other.roots().to_vec());
    assert!(matches!(mixed, Err(KeystoreError::Mismatch)));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let world = World::new();
    let keystore = world.keystore(ALICE);
    let key = keystore.folder().join("current/key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(keystore.load(), Err(KeystoreError::Exposed { mode: 0o644, .. })));
}

#[test]
fn what_a_crash_left_half_written_changes_nothing() {
    let world = World::new();
    let keystore = world.keystore(NODE);
    let before = keystore.load().unwrap();
    std::fs::create_dir(keystore.folder().join("g-half")).unwrap();
    std::fs::write(keystore.folder().join("g-half/key.pem"), "").unwrap();
    std::os::unix::fs::symlink("g-half", keystore.folder().join("current.g-half")).unwrap();
    assert_eq!(keystore.load().unwrap().me(), before.me());
    let next = world.issue(NODE);
    keystore.replace(&next).unwrap();
    assert_eq!(keystore.load().unwrap().me(), next.me());
    assert_eq!(std::fs::read_dir(keystore.folder()).unwrap().count(), 2, "one generation and the link to it");
}

#[test]
fn key_and_chain_always_belong_together_while_generations_change() {
    let world = World::new();
    let keystore = world.keystore(NODE);
    let generations: Vec<_> = (0..5).map(|_| world.issue(NODE)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for next in generations.iter().cycle().take(60) {
                keystore.replace(next).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        // Loading checks that the leaf is for the key.
        let mut reads = 0;
        while !done.load(Ordering::Relaxed) {
            keystore.load().unwrap();
            reads += 1;
        }
        assert!(reads > 0);
    });
}
