//! A bundle: all source files of one unit, and the digest that names it.

use crate::ids::{Sha256Digest, UnitDigest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest file of the configuration repository, in bytes (16 MiB).
pub const MAX_FILE: usize = 16 << 20;
/// All bundles of one environment together, in bytes (256 MiB).
pub const MAX_ENVIRONMENT: usize = 256 << 20;

/// One regular file of the configuration repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Git's executable bit; mode 100755 against 100644.
    pub executable: bool,
    /// The bytes as committed.
    pub content: Arc<[u8]>,
    /// SHA-256 of `content`.
    pub sha256: Sha256Digest,
}

impl SourceFile {
    /// A file from its bytes; computes the digest.
    #[must_use]
    pub fn new(executable: bool, content: impl Into<Arc<[u8]>>) -> Self {
        let content = content.into();
        SourceFile { executable, sha256: Sha256Digest::of(&content), content }
    }

    /// Git's mode bits: 0o100755 or 0o100644.
    #[must_use]
    pub fn mode(&self) -> u32 {
        if self.executable { 0o100_755 } else { 0o100_644 }
    }
}

/// The files of the configuration repository at one revision, by path with `/`:
/// `units/web.service`, `environments/test/web.service.d/10.conf`, `files/web/nginx.conf`.
pub type SourceTree = BTreeMap<String, SourceFile>;

/// All source files of one unit in one environment: unit file, drop-ins, overlay, delivered files.
/// Paths are those of the repository, so a node can merge it with the same code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// By path in the repository.
    pub files: BTreeMap<String, SourceFile>,
}

impl Bundle {
    /// SHA-256 over the sorted (path, mode, SHA-256 of content); revision, author and time are not
    /// part of it, so a commit that does not touch a unit never touches its process.
    /// Each entry is `path NUL mode-in-octal NUL 32 bytes`.
    #[must_use]
    pub fn digest(&self) -> UnitDigest {
        let mut input = Vec::with_capacity(self.files.len() * 96);
        for (path, file) in &self.files {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
            input.extend_from_slice(format!("{:o}", file.mode()).as_bytes());
            input.push(0);
            input.extend_from_slice(file.sha256.as_bytes());
        }
        Sha256Digest::of(&input)
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn size(&self) -> usize {
        self.files.values().map(|file| file.content.len()).sum()
    }
}
