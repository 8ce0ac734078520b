//! One holder's key, certificates and roots on disk, replaced as one generation.
//!
//! ```text
//! identity/            0700
//!   current -> g-1f3a  swapped by one rename(2): a crash leaves the old generation or the new one, never half of each
//!   g-1f3a/            key.pem (0600), chain.pem (leaf first), roots.pem
//!   latest-seen        see the clock module
//! ```
//! The private key is made here ([`PendingKey`]) and never leaves the folder.

use crate::clock::TrustClock;
use crate::files::{self, certificates_from_pem, certificates_to_pem, hex, random};
use crate::peer::{self, PeerError, PeerIdentity};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can go wrong with a keystore.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// There is nothing in it.
    #[error("there is no identity in {0}: this host has not joined a fleet yet")]
    Empty(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {operation} {path}: {source}")]
    File {
        /// read, write, create, swap
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the key.
    #[error(
        "{path} has mode {mode:o}, so that others can read the key; run chmod 600, and renew it if others were on this host"
    )]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{path} is damaged: {why}; join again with a new token")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Key and leaf are of different pairs.
    #[error("the certificate was not made for the key it came back with")]
    Mismatch,
    /// The certificate says nothing usable.
    #[error(transparent)]
    Certificate(#[from] PeerError),
    /// The library failed to make a key or a request.
    #[error("cannot make a key: {0}")]
    Key(#[from] rcgen::Error),
}

/// A key that waits for its certificate.
pub struct PendingKey {
    key: KeyPair,
}

impl PendingKey {
    /// A new ECDSA P-256 key.
    pub fn generate() -> Result<PendingKey, KeystoreError> {
        Ok(PendingKey { key: KeyPair::generate()? })
    }

    /// The request to send: the public key, signed by the private one. It names nobody; the authority does.
    pub fn request(&self) -> Result<Vec<u8>, KeystoreError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&self.key)?.der().to_vec())
    }

    /// Key and certificates together; an error when the leaf is for another key.
    pub fn complete(
        self,
        chain: Vec<CertificateDer<'static>>,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Credentials, KeystoreError> {
        Credentials::new(self.key.serialize_pem(), chain, roots)
    }
}

/// Key, certificates and roots of one holder.
#[derive(Clone)]
pub struct Credentials {
    key_pem: String,
    chain: Vec<CertificateDer<'static>>,
    roots: Vec<CertificateDer<'static>>,
    me: PeerIdentity,
}

impl Credentials {
    fn new(
        key_pem: String,
        chain: Vec<CertificateDer<'static>>,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Credentials, KeystoreError> {
        let leaf = chain.first().ok_or(KeystoreError::Mismatch)?;
        let key = KeyPair::from_pem(&key_pem)?;
        let certificate = peer::parse(leaf)?;
        if certificate.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(KeystoreError::Mismatch);
        }
        let me = PeerIdentity::from_certificate(leaf)?;
        Ok(Credentials { key_pem, chain, roots, me })
    }

    /// Who this is: identity, trust domain, serial number and life of the leaf.
    #[must_use]
    pub fn me(&self) -> &PeerIdentity {
        &self.me
    }

    /// Leaf first, then the issuing authority.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// What its peers must chain to.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// The same holder trusting other roots.
    #[must_use]
    pub fn with_roots(&self, roots: Vec<CertificateDer<'static>>) -> Credentials {
        Credentials { roots, ..self.clone() }
    }

    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, {:?})", self.me.identity, self.me.serial)
    }
}

/// The folder. Cheap to clone; holds no state of its own.
#[derive(Clone, Debug)]
pub struct Keystore {
    folder: PathBuf,
}

impl Keystore {
    /// The keystore in `folder`, which need not exist yet.
    #[must_use]
    pub fn new(folder: &Path) -> Keystore {
        Keystore { folder: folder.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it holds an identity.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.folder.join("current").exists()
    }

    /// The clock whose memory is in this folder.
    #[must_use]
    pub fn clock(&self) -> Arc<TrustClock> {
        TrustClock::remembering(&self.folder.join("latest-seen"))
    }

    /// Reads the current generation.
    pub fn load(&self) -> Result<Credentials, KeystoreError> {
        let link = self.folder.join("current");
        let current = || match std::fs::read_link(&link) {
            Ok(name) => Ok(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(KeystoreError::Empty(self.folder.clone())),
            Err(source) => Err(file_error("read", &link)(source)),
        };
        let mut name = current()?;
        loop {
            let failed = match read_generation(&self.folder.join(&name)) {
                Err(KeystoreError::File { source, operation, path }) if source.kind() == io::ErrorKind::NotFound => {
                    KeystoreError::File { source, operation, path }
                }
                other => return other,
            };
            // A generation goes away only after another one is current: then look at that.
            let now = current()?;
            if now == name {
                return Err(failed);
            }
            name = now;
        }
    }

    /// Puts a new generation in place of the old one; durable on return.
    pub fn replace(&self, credentials: &Credentials) -> Result<(), KeystoreError> {
        files::private_folder(&self.folder).map_err(file_error("create", &self.folder))?;
        let name = format!("g-{}", hex(&random::<8>()));
        let generation = self.folder.join(&name);
        let written = write_generation(&generation, credentials).and_then(|()| self.swap(&name));
        if written.is_err() {
            let _ = std::fs::remove_dir_all(&generation); // what is current is untouched
        }
        written?;
        self.remove_others(&name);
        Ok(())
    }

    fn swap(&self, name: &str) -> Result<(), KeystoreError> {
        let link = self.folder.join("current");
        let temporary = self.folder.join(format!("current.{name}"));
        std::os::unix::fs::symlink(name, &temporary).map_err(file_error("create", &temporary))?;
        std::fs::rename(&temporary, &link).map_err(file_error("swap", &link))?;
        files::sync_folder(&self.folder).map_err(file_error("write", &self.folder))
    }

    /// Removes older generations and what crashes left behind. Failing loses nothing but space.
    fn remove_others(&self, keep: &str) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("g-") && name != keep {
                let _ = std::fs::remove_dir_all(entry.path());
            } else if name.starts_with("current.") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn write_generation(folder: &Path, credentials: &Credentials) -> Result<(), KeystoreError> {
    files::private_folder(folder).map_err(file_error("create", folder))?;
    let content = [
        ("key.pem", credentials.key_pem.clone()),
        ("chain.pem", certificates_to_pem(&credentials.chain)),
        ("roots.pem", certificates_to_pem(&credentials.roots)),
    ];
    for (name, text) in content {
        let path = folder.join(name);
        files::write_new_private(&path, text.as_bytes()).map_err(file_error("write", &path))?;
    }
    files::sync_folder(folder).map_err(file_error("write", folder))
}

fn read_generation(folder: &Path) -> Result<Credentials, KeystoreError> {
    let key_path = folder.join("key.pem");
    let mode = std::fs::metadata(&key_path).map_err(file_error("read", &key_path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeystoreError::Exposed { path: key_path, mode });
    }
    let key_pem = std::fs::read_to_string(&key_path).map_err(file_error("read", &key_path))?;
    let chain = read_certificates(&folder.join("chain.pem"))?;
    let roots = read_certificates(&folder.join("roots.pem"))?;
    Credentials::new(key_pem, chain, roots).map_err(|error| match error {
        KeystoreError::Key(source) => KeystoreError::Damaged { path: key_path, why: source.to_string() },
        KeystoreError::Mismatch => {
            KeystoreError::Damaged { path: folder.to_owned(), why: "chain.pem was not made for key.pem".to_owned() }
        }
        other => other,
    })
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, KeystoreError> {
    let pem = std::fs::read(path).map_err(file_error("read", path))?;
    certificates_from_pem(&pem).map_err(|why| KeystoreError::Damaged { path: path.to_owned(), why })
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeystoreError + use<> {
    let path = path.to_owned();
    move |source| KeystoreError::File { operation, path, source }
}
