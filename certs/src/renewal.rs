//! When a leaf is renewed, and the task that does it.
//!
//! A leaf is renewed at two thirds of its life with a new key. The holder's [`LiveIdentity`] puts the new generation on
//! disk, then in front of new handshakes; open streams keep what they were opened with, so none is dropped.

use crate::clock::TrustClock;
use crate::files::random;
use crate::keystore::{Credentials, Keystore, KeystoreError, PendingKey};
use crate::peer::PeerIdentity;
use crate::tls::{LeafResolver, TlsError, TrustRoots};
use fleet_units::time::Timestamp;
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The longest single sleep: a clock that is set while we wait is noticed this soon.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Shortest and longest wait after a renewal that failed.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(300));

/// When a leaf is due for renewal: two thirds into its life.
#[must_use]
pub fn due_at(peer: &PeerIdentity) -> Timestamp {
    let life = peer.not_after.0.saturating_sub(peer.not_before.0);
    Timestamp(peer.not_before.0.saturating_add(life / 3 * 2))
}

/// How long to wait until renewal is due; zero when it is.
#[must_use]
pub fn wait(now: Timestamp, peer: &PeerIdentity) -> Duration {
    Duration::from_micros(due_at(peer).0.saturating_sub(now.0))
}

/// How long to wait after a failed attempt: an eighth of what is left, within bounds, and up to a quarter more by
/// `random` (0 to 255), so that a fleet does not come back all at once.
#[must_use]
pub fn retry_after(now: Timestamp, peer: &PeerIdentity, random: u8) -> Duration {
    let left = Duration::from_micros(peer.not_after.0.saturating_sub(now.0));
    let base = (left / 8).clamp(RETRY.0, RETRY.1);
    base + base * u32::from(random) / 1024
}

/// Why an identity could not be renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// Keys or files.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The new certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The answer is for someone else.
    #[error("the new certificate is for {got}, not for {wanted}")]
    Changed {
        /// Whom it names.
        got: String,
        /// Who asked.
        wanted: String,
    },
    /// Whoever signs did not.
    #[error("{0}")]
    Refused(String),
}

/// An identity in use: on disk, in front of handshakes, and as a value that says what it is now.
pub struct LiveIdentity {
    keystore: Keystore,
    clock: Arc<TrustClock>,
    leaf: Arc<LeafResolver>,
    roots: Arc<TrustRoots>,
    current: watch::Sender<Arc<Credentials>>,
}

impl LiveIdentity {
    /// Loads what the keystore holds.
    pub fn open(keystore: Keystore, clock: Arc<TrustClock>) -> Result<Arc<LiveIdentity>, RenewalError> {
        let credentials = keystore.load()?;
        clock.saw(credentials.me().not_before);
        let leaf = LeafResolver::new(&credentials)?;
        let roots = TrustRoots::new(credentials.roots())?;
        let current = watch::Sender::new(Arc::new(credentials));
        Ok(Arc::new(LiveIdentity { keystore, clock, leaf, roots, current }))
    }

    /// What it is now.
    #[must_use]
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.current.borrow())
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Credentials>> {
        self.current.subscribe()
    }

    /// What handshakes present.
    #[must_use]
    pub fn leaf(&self) -> Arc<LeafResolver> {
        Arc::clone(&self.leaf)
    }

    /// What peers must chain to.
    #[must_use]
    pub fn roots(&self) -> Arc<TrustRoots> {
        Arc::clone(&self.roots)
    }

    /// The clock this identity is judged by.
    #[must_use]
    pub fn clock(&self) -> Arc<TrustClock> {
        Arc::clone(&self.clock)
    }

    /// Puts new credentials in place: durable first, then in front of new handshakes. They must be for the same identity.
    pub fn replace(&self, next: Credentials) -> Result<(), RenewalError> {
        let now = self.credentials();
        if (&next.me().identity, &next.me().domain) != (&now.me().identity, &now.me().domain) {
            let wanted = now.me().identity.to_string();
            return Err(RenewalError::Changed { got: next.me().identity.to_string(), wanted });
        }
        self.keystore.replace(&next)?;
        self.leaf.replace(&next)?;
        self.roots.replace(next.roots())?;
        self.clock.saw(next.me().not_before);
        self.current.send_replace(Arc::new(next));
        Ok(())
    }

    /// Trusts other roots from now on (an authority is being exchanged).
    pub fn trust(&self, roots: Vec<CertificateDer<'static>>) -> Result<(), RenewalError> {
        self.replace(self.credentials().with_roots(roots))
    }
}

/// Renews once: a new key, a request to whoever signs, the answer put in place.
/// `sign` gets the request (PKCS #10, DER) and returns the chain, leaf first, and the roots.
pub async fn renew<S, F, E>(live: &LiveIdentity, sign: S) -> Result<(), RenewalError>
where
    S: FnOnce(Vec<u8>) -> F,
    F: Future<Output = Result<(Vec<CertificateDer<'static>>, Vec<CertificateDer<'static>>), E>>,
    E: fmt::Display,
{
    let key = PendingKey::generate()?;
    let (chain, roots) = sign(key.request()?).await.map_err(|error| RenewalError::Refused(error.to_string()))?;
    live.replace(key.complete(chain, roots)?)
}

/// Renews whenever it is due, until `shutdown`. A failed attempt is told once and tried again, more often as the end
/// of the life comes near.
pub async fn renew_when_due<S, F, E>(live: Arc<LiveIdentity>, sign: S, shutdown: CancellationToken)
where
    S: Fn(Vec<u8>) -> F,
    F: Future<Output = Result<(Vec<CertificateDer<'static>>, Vec<CertificateDer<'static>>), E>>,
    E: fmt::Display,
{
    let mut failing = false;
    loop {
        let left = wait(live.clock.now(), live.credentials().me());
        if !left.is_zero() {
            if sleep(left.min(LONGEST_SLEEP), &shutdown).await.is_break() {
                return;
            }
            continue;
        }
        let attempt = tokio::select! {
            attempt = renew(&live, &sign) => attempt,
            () = shutdown.cancelled() => return,
        };
        let me = live.credentials();
        match attempt {
            Ok(()) => {
                failing = false;
                tracing::info!(identity = %me.me().identity, serial = %me.me().serial, "renewed the certificate");
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(identity = %me.me().identity, %error, "cannot renew the certificate; trying again until it works");
                }
                failing = true;
                let pause = retry_after(live.clock.now(), me.me(), random::<1>()[0]);
                if sleep(pause, &shutdown).await.is_break() {
                    return;
                }
            }
        }
    }
}

async fn sleep(time: Duration, shutdown: &CancellationToken) -> std::ops::ControlFlow<()> {
    tokio::select! {
        () = tokio::time::sleep(time) => std::ops::ControlFlow::Continue(()),
        () = shutdown.cancelled() => std::ops::ControlFlow::Break(()),
    }
}
