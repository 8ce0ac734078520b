//! A coordinator's first state, and what its host can always do: issue an operator's certificate with the coordinator
//! down and everything expired.
//!
//! ```text
//! STATE/ca/          the authority: root, issuing key
//! STATE/journal      what cannot be rebuilt;  STATE/journal.inbox  entries for a journal that a coordinator holds
//! STATE/identity/    the coordinator's own leaf
//! ```

use crate::config::{Config, Lives};
use crate::journal::{Entry, Journal, JournalError, Role, inbox};
use fleet_certs::authority::{Authority, AuthorityError, CheckedRequest, Issued};
use fleet_certs::clock::system_time;
use fleet_certs::identity::{Identity, IdentityError, TrustDomain};
use fleet_certs::keystore::{Credentials, Keystore, KeystoreError, PendingKey};
use fleet_certs::renewal;
use fleet_units::ids::{IdError, OperatorName};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a coordinator's state cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The trust domain is none.
    #[error(transparent)]
    Domain(#[from] IdentityError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A keystore.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The entry could not be left for the coordinator that holds the journal.
    #[error("leave a word for the running coordinator in {folder}")]
    Inbox {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The authority's folder.
#[must_use]
pub fn authority_folder(state: &Path) -> PathBuf {
    state.join("ca")
}

/// The journal.
#[must_use]
pub fn journal_path(state: &Path) -> PathBuf {
    state.join("journal")
}

/// The coordinator's own keys.
#[must_use]
pub fn identity_folder(state: &Path) -> PathBuf {
    state.join("identity")
}

impl Lives {
    /// How long a leaf for `identity` lives.
    #[must_use]
    pub fn of(&self, identity: &Identity) -> Duration {
        Duration::from_secs(match identity {
            Identity::Coordinator { .. } => self.coordinator,
            Identity::Node { .. } => self.node,
            Identity::Operator { .. } => self.operator,
        })
    }
}

/// Makes the authority and the journal of a new fleet. In a folder that has an authority nothing is made: a journal that
/// is missing there is an error, not a new fleet.
pub fn ensure(state: &Path, config: &Config) -> Result<(), InitError> {
    let folder = authority_folder(state);
    if folder.exists() {
        return Ok(());
    }
    let domain: TrustDomain = config.trust_domain.parse()?;
    // The journal first: with an authority the folder counts as made.
    match Journal::create(&journal_path(state)) {
        Ok(_) | Err(JournalError::Exists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Authority::create(&folder, &domain, system_time())?;
    Ok(())
}

/// Gives the coordinator a leaf when it has none, or one that is due.
pub fn ensure_identity(state: &Path, authority: &Authority, lives: &Lives) -> Result<Keystore, InitError> {
    let keystore = Keystore::new(&identity_folder(state));
    if !is_good(&keystore, authority) {
        let name = "coordinator".parse()?;
        let credentials = certify(authority, &Identity::Coordinator { name }, lives)?.0;
        keystore.replace(&credentials)?;
    }
    Ok(keystore)
}

/// Whether the keystore holds a leaf of this authority that is not due for renewal.
#[must_use]
pub fn is_good(keystore: &Keystore, authority: &Authority) -> bool {
    keystore.load().is_ok_and(|held| held.roots() == authority.roots() && system_time() < renewal::due_at(held.me()))
}

/// Issues an operator's certificate into `keystore`, as admin, and makes it known: in the journal, or by the inbox when a
/// running coordinator holds it (which takes it in within a second).
pub fn issue_operator(state: &Path, lives: &Lives, name: &str, keystore: &Keystore) -> Result<(), InitError> {
    let name: OperatorName = name.parse()?;
    let authority = Authority::load(&authority_folder(state))?;
    let (credentials, issued) = certify(&authority, &Identity::Operator { name: name.clone() }, lives)?;
    let serial = issued.peer.serial.to_string();
    let entry = Entry::OperatorAdded { name, role: Role::Admin, serial, by: "host".to_owned() };
    let path = journal_path(state);
    match Journal::open(&path) {
        Ok(journal) => drop(journal.append(entry)?),
        Err(JournalError::Held(_)) => {
            let folder = inbox::folder(&path);
            inbox::leave(&folder, &[entry]).map_err(|source| InitError::Inbox { folder, source })?;
        }
        Err(error) => return Err(error.into()),
    }
    keystore.replace(&credentials)?;
    Ok(())
}

fn certify(authority: &Authority, identity: &Identity, lives: &Lives) -> Result<(Credentials, Issued), InitError> {
    let key = PendingKey::generate()?;
    let request = CheckedRequest::parse(&key.request()?)?;
    let issued = authority.sign(&request, identity, lives.of(identity), system_time())?;
    let credentials = key.complete(issued.chain.clone(), authority.roots().to_vec())?;
    Ok((credentials, issued))
}
