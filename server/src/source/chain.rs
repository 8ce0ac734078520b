//! The chain of environments: names, branches, order. Configuration of the coordinator, not of the repository.

use fleet_units::ids::EnvironmentName;
use thiserror::Error;

/// One environment of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The branch it follows.
    pub branch: String,
}

/// The environments in order; a promotion goes from one to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(Vec<Environment>);

/// Why something is no chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainError {
    /// It has no environment.
    #[error("the chain of environments is empty")]
    Empty,
    /// Two environments have the same name or branch.
    #[error("{0} is in the chain twice")]
    Twice(String),
    /// Git would refuse the branch.
    #[error("{0:?} is no name for a branch")]
    Branch(String),
}

impl Default for Chain {
    /// develop -> test -> staging -> production, each on the branch of the same name.
    fn default() -> Self {
        let names = ["develop", "test", "staging", "production"];
        Chain(
            names.map(|name| Environment { name: name.parse().expect("a DNS label"), branch: name.to_owned() }).into(),
        )
    }
}

impl Chain {
    /// A chain of these environments, first to last.
    ///
    /// # Errors
    /// When it is empty, a name or branch is there twice, or a branch has a name that git refuses.
    pub fn new(environments: Vec<Environment>) -> Result<Chain, ChainError> {
        if environments.is_empty() {
            return Err(ChainError::Empty);
        }
        for (at, one) in environments.iter().enumerate() {
            if !git2::Reference::is_valid_name(&format!("refs/heads/{}", one.branch)) {
                return Err(ChainError::Branch(one.branch.clone()));
            }
            let before = &environments[..at];
            if before.iter().any(|other| other.name == one.name) {
                return Err(ChainError::Twice(one.name.to_string()));
            }
            if before.iter().any(|other| other.branch == one.branch) {
                return Err(ChainError::Twice(one.branch.clone()));
            }
        }
        Ok(Chain(environments))
    }

    /// The environments, first to last.
    #[must_use]
    pub fn environments(&self) -> &[Environment] {
        &self.0
    }

    /// The environment of that name.
    #[must_use]
    pub fn get(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.0.iter().find(|environment| environment.name == *name)
    }

    /// Its place, from 0.
    #[must_use]
    pub fn position(&self, name: &EnvironmentName) -> Option<usize> {
        self.0.iter().position(|environment| environment.name == *name)
    }

    /// The one before it: where its promotions come from.
    #[must_use]
    pub fn predecessor(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.position(name)?.checked_sub(1).map(|before| &self.0[before])
    }

    /// Whether it is the last one, which takes no direct changes of common files.
    #[must_use]
    pub fn is_last(&self, name: &EnvironmentName) -> bool {
        self.0.len() > 1 && self.0.last().is_some_and(|last| last.name == *name)
    }

    /// `develop -> test -> staging -> production`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.0.iter().map(|environment| environment.name.as_str()).collect::<Vec<_>>().join(" -> ")
    }
}
