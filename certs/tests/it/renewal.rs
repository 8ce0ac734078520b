use crate::world::{ALICE, HOUR, NODE, World};
use fleet_certs::authority::CheckedRequest;
use fleet_certs::clock::{TrustClock, system_time};
use fleet_certs::renewal::{LiveIdentity, RenewalError, due_at, renew, renew_when_due, retry_after, wait};
use fleet_units::time::Timestamp;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[test]
fn renewal_is_due_at_two_thirds_of_a_life() {
    let world = World::new();
    let me = world.issue(NODE).me().clone();
    let life = me.not_after.0 - me.not_before.0;
    let due = due_at(&me);
    assert_eq!(due.0 - me.not_before.0, life / 3 * 2);
    assert_eq!(wait(due, &me), Duration::ZERO);
    assert_eq!(wait(Timestamp(due.0 - 5), &me), Duration::from_micros(5));
    assert_eq!(wait(me.not_after.after(HOUR), &me), Duration::ZERO);
}

#[test]
fn failed_attempts_come_closer_as_the_end_does() {
    let world = World::new();
    let me = world.issue(NODE).me().clone();
    let due = due_at(&me);
    let early = retry_after(due, &me, 0);
    assert!(early > retry_after(Timestamp(me.not_after.0 - 60_000_000), &me, 0));
    assert!(retry_after(due, &me, 255) > early);
    assert!(retry_after(me.not_after, &me, 0) >= Duration::from_millis(200));
}

#[tokio::test]
async fn an_answer_for_someone_else_is_not_taken() {
    let world = World::new();
    let live = LiveIdentity::open(world.keystore(NODE), TrustClock::system()).unwrap();
    let before = live.credentials();
    let result = renew(&live, |request| {
        let request = CheckedRequest::parse(&request).unwrap();
        let issued = world.authority.sign(&request, &ALICE.parse().unwrap(), HOUR, system_time()).unwrap();
        std::future::ready(Ok::<_, Infallible>((issued.chain, world.authority.roots().to_vec())))
    });
    assert!(matches!(result.await, Err(RenewalError::Changed { .. })));
    assert_eq!(live.credentials().me(), before.me());
}

#[tokio::test]
async fn the_key_is_rolled_and_failures_are_tried_again_until_it_works() {
    let world = Arc::new(World::new());
    let first = world.issue_at(NODE, Duration::from_secs(3), system_time());
    let keystore = world.store("node", &first);
    let live = LiveIdentity::open(keystore.clone(), TrustClock::system()).unwrap();
    let mut changes = live.changes();
    let attempts = Arc::new(AtomicU32::new(0));
    let (signer, counter) = (Arc::clone(&world), Arc::clone(&attempts));
    let sign = move |request: Vec<u8>| {
        let answer = if counter.fetch_add(1, Ordering::Relaxed) == 0 {
            Err("the coordinator is away")
        } else {
            let request = CheckedRequest::parse(&request).unwrap();
            let issued =
                signer.authority.sign(&request, &NODE.parse().unwrap(), Duration::from_secs(3), system_time()).unwrap();
            Ok((issued.chain, signer.authority.roots().to_vec()))
        };
        std::future::ready(answer)
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(renew_when_due(Arc::clone(&live), sign, stop.clone()));
    for _ in 0..2 {
        tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
    }
    stop.cancel();
    task.await.unwrap();
    let now = keystore.load().unwrap();
    assert_eq!(now.me(), live.credentials().me());
    assert!(now.me().serial.issued() > first.me().serial.issued());
    assert!(attempts.load(Ordering::Relaxed) >= 3);
}
