//! Secrets and files handed to a unit (systemd.exec(5), "Credentials").

use crate::spec::value::credential::{ImportedCredential, LoadedCredential, SetCredential};

/// The credentials of one unit, in order; a later one of the same name replaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CredentialSpec {
    /// `LoadCredential=` and `LoadCredentialEncrypted=`
    pub load: Vec<LoadedCredential>,
    /// `SetCredential=` and `SetCredentialEncrypted=`
    pub set: Vec<SetCredential>,
    /// `ImportCredential=`
    pub import: Vec<ImportedCredential>,
}
