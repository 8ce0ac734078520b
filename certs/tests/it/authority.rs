use crate::world::{ALICE, COORDINATOR, HOUR, NODE, World};
use fleet_certs::authority::{Authority, AuthorityError, CheckedRequest};
use fleet_certs::clock::system_time;
use fleet_certs::keystore::PendingKey;
use fleet_units::time::Timestamp;
use rcgen::{CertificateParams, KeyPair, SanType};
use std::os::unix::fs::PermissionsExt as _;
use x509_parser::prelude::{FromDer, X509Certificate};

#[test]
fn a_leaf_says_what_the_authority_was_told_and_nothing_the_request_says() {
    let world = World::new();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI("spiffe://fleet.test/operator/root".try_into().unwrap())];
    let key = KeyPair::generate().unwrap();
    let request = params.serialize_request(&key).unwrap();
    let request = CheckedRequest::parse(request.der()).unwrap();
    let issued = world.authority.sign(&request, &NODE.parse().unwrap(), HOUR, system_time()).unwrap();
    assert_eq!(issued.peer.identity, NODE.parse().unwrap());
    let (_, leaf) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    assert!(!leaf.is_ca());
    assert_eq!(leaf.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 1);
}

#[test]
fn only_coordinators_may_serve() {
    let world = World::new();
    for (path, serves) in [(COORDINATOR, true), (NODE, false), (ALICE, false)] {
        let credentials = world.issue(path);
        let (_, leaf) = X509Certificate::from_der(&credentials.chain()[0]).unwrap();
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert_eq!((usage.server_auth, usage.client_auth), (serves, true), "{path}");
    }
}

#[test]
fn a_leaf_lives_as_long_as_asked_and_starts_a_little_earlier() {
    let world = World::new();
    let now = Timestamp(system_time().0 / 1_000_000 * 1_000_000);
    let me = world.issue_at(NODE, HOUR, now).me().clone();
    assert_eq!(me.not_after, now.after(HOUR));
    assert_eq!(me.not_before.0, now.0 - 300_000_000);
    assert_eq!(me.serial.issued(), now);
}

#[test]
fn a_request_that_was_changed_or_has_another_kind_of_key_is_refused() {
    let good = PendingKey::generate().unwrap().request().unwrap();
    let digest = CheckedRequest::parse(&good).unwrap().key_digest();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        // A few bits of the encoding are not covered by the signature; with them the key is still the same.
        let other_key = CheckedRequest::parse(&changed).is_ok_and(|read| read.key_digest() != digest);
        assert!(!other_key, "byte {at} gives another key");
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let other = CertificateParams::default().serialize_request(&key).unwrap();
    assert!(matches!(CheckedRequest::parse(other.der()), Err(AuthorityError::Request(_))));
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let other = CertificateParams::default().serialize_request(&key).unwrap();
    assert!(matches!(CheckedRequest::parse(other.der()), Err(AuthorityError::Request(_))));
    assert!(CheckedRequest::parse(&vec![0x30; 5000]).is_err());
}

#[test]
fn an_authority_is_never_replaced_and_its_keys_are_private() {
    let world = World::new();
    let folder = world.path("ca");
    let again = Authority::create(&folder, world.authority.domain(), system_time());
    assert!(matches!(again, Err(AuthorityError::Exists(_))));
    for key in ["root.key", "issuing.key"] {
        let mode = std::fs::metadata(folder.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn the_roots_key_is_not_needed_to_sign() {
    let world = World::new();
    std::fs::remove_file(world.path("ca/root.key")).unwrap();
    let loaded = Authority::load(&world.path("ca")).unwrap();
    assert_eq!(loaded.root_digest(), world.authority.root_digest());
    assert_eq!(loaded.domain().as_str(), "fleet.test");
}

#[test]
fn an_authority_with_anothers_key_is_said_to_be_damaged() {
    let (world, other) = (World::new(), World::new());
    std::fs::copy(other.path("ca/issuing.key"), world.path("ca/issuing.key")).unwrap();
    assert!(matches!(Authority::load(&world.path("ca")), Err(AuthorityError::Damaged { .. })));
    std::fs::write(world.path("ca/issuing.pem"), "nothing").unwrap();
    assert!(matches!(Authority::load(&world.path("ca")), Err(AuthorityError::Damaged { .. })));
}
