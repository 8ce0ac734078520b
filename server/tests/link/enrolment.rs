use crate::world::World;
use fleet_certs::client::ConnectErrorKind;
use fleet_certs::enroll::{JoinError, Joined, join};
use fleet_certs::join_token::{JoinToken, TokenError};
use fleet_certs::keystore::Keystore;
use fleet_units::time::Timestamp;
use std::collections::HashMap;

async fn try_join(world: &World, token: &str, name: &str) -> Result<Joined, JoinError> {
    let keystore = Keystore::new(&world.path(&format!("joined-{name}")));
    join(token, &world.enrolment.to_string(), &name.parse().unwrap(), HashMap::new(), &keystore).await
}

/// The coordinator's reason for refusing.
async fn refusal(world: &World, token: &JoinToken, name: &str) -> String {
    match try_join(world, &token.to_string(), name).await {
        Err(JoinError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_joins_and_connects_with_what_it_got() {
    let world = World::new().await;
    let token = world.token(|_| {});
    let joined = try_join(&world, &token.to_string(), "web-1").await.unwrap();
    assert_eq!(joined.environment.as_str(), "develop");
    assert_eq!(joined.endpoints, [world.main.to_string()]);
    world.connect(&Keystore::new(&world.path("joined-web-1"))).await.unwrap();
    assert_eq!(world.journal.state().tokens[&token.id()].used, 1);
    assert!(world.journal.state().nodes.contains_key(&"web-1".parse().unwrap()));
}

#[tokio::test]
async fn a_used_up_token_says_so() {
    let world = World::new().await;
    let token = world.token(|token| token.uses = 2);
    for name in ["web-1", "web-2"] {
        try_join(&world, &token.to_string(), name).await.unwrap();
    }
    assert!(refusal(&world, &token, "web-3").await.contains("used up"));
    assert!(!Keystore::new(&world.path("joined-web-3")).exists());
}

#[tokio::test]
async fn an_expired_a_revoked_and_an_unknown_token_say_so() {
    let world = World::new().await;
    let expired = world.token(|token| token.expires = Timestamp(1));
    assert!(refusal(&world, &expired, "web-1").await.contains("expired"));
    let revoked = world.token(|_| {});
    let entry = fleet_server::journal::Entry::TokenRevoked { id: revoked.id(), by: "test".into() };
    world.journal.append(entry).unwrap();
    assert!(refusal(&world, &revoked, "web-1").await.contains("revoked"));
    // Well formed, with our root, but never made here: what somebody who alters the secret ends up with.
    let forged = JoinToken::generate(world.authority.root_digest());
    assert!(refusal(&world, &forged, "web-1").await.contains("altered"));
}

#[tokio::test]
async fn a_token_is_never_shown_to_a_coordinator_it_was_not_made_by() {
    let (ours, theirs) = (World::new().await, World::new().await);
    let foreign = theirs.token(|_| {});
    let error = try_join(&ours, &foreign.to_string(), "web-1").await.unwrap_err();
    let JoinError::Connect(error) = error else { panic!("{error}") };
    assert_eq!(error.kind, ConnectErrorKind::WrongAuthority);
    assert!(error.to_string().contains("another fleet"), "{error}");
    assert_eq!(theirs.journal.state().tokens[&foreign.id()].used, 0);
}

#[tokio::test]
async fn a_damaged_token_does_not_leave_the_host() {
    let world = World::new().await;
    let text = world.token(|_| {}).to_string();
    let cut = try_join(&world, &text[..text.len() - 3], "web-1").await.unwrap_err();
    assert!(matches!(cut, JoinError::Token(TokenError::Truncated(_))));
    let at = text.len() - 20;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
    assert!(matches!(try_join(&world, &changed, "web-1").await, Err(JoinError::Token(TokenError::Tampered))));
}

#[tokio::test]
async fn a_token_bounds_the_name_and_a_taken_name_needs_one_that_replaces() {
    let world = World::new().await;
    let bound = world.token(|token| token.name = "web-*".into());
    assert!(refusal(&world, &bound, "db-1").await.contains("web-*"));
    try_join(&world, &bound.to_string(), "web-1").await.unwrap();
    let old = Keystore::new(&world.path("old"));
    old.replace(&Keystore::new(&world.path("joined-web-1")).load().unwrap()).unwrap();

    let again = world.token(|_| {});
    assert!(refusal(&world, &again, "web-1").await.contains("replace"));
    assert_eq!(world.journal.state().tokens[&again.id()].used, 0, "a refusal uses nothing up");
    let replacing = world.token(|token| token.replace = true);
    try_join(&world, &replacing.to_string(), "web-1").await.unwrap();
    world.connect(&Keystore::new(&world.path("joined-web-1"))).await.unwrap();
    let error = world.connect(&old).await.unwrap_err();
    assert_eq!(error.kind, ConnectErrorKind::OurCertificate, "the one that was replaced is out");
}
