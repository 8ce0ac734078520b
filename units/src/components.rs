//! How the parts of one daemon fare: what `/health` and `/health/readiness` show.
//!
//! Each part of a daemon sets its own entry when its state changes; the HTTP listener reads the whole. Names are those
//! of parts (`store`, `link`), never of units.

use serde::Serialize;
use std::collections::BTreeMap;

/// How a part fares; worse ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentState {
    /// As it should be.
    #[default]
    Ok,
    /// It does its work, but not all of it.
    Degraded,
    /// It does not do its work; the daemon is not ready.
    Failed,
}

/// One part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Component {
    /// How it fares.
    pub state: ComponentState,
    /// Why, one line; may be empty when it is ok.
    pub text: String,
}

/// All parts of a daemon, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Components(BTreeMap<&'static str, Component>);

/// The JSON form of [`Components`].
#[derive(Clone, Debug, Serialize)]
pub struct HealthReport<'a> {
    /// Version of this form.
    pub schema: u32,
    /// The worst of the parts.
    pub state: ComponentState,
    /// By name.
    pub components: &'a BTreeMap<&'static str, Component>,
}

impl Components {
    /// Parts that are not ready yet: they are `failed` with the text `starting` until each says otherwise, so that a
    /// daemon is not ready before its last part is.
    #[must_use]
    pub fn starting(names: &[&'static str]) -> Self {
        let starting = Component { state: ComponentState::Failed, text: "starting".to_owned() };
        Components(names.iter().map(|name| (*name, starting.clone())).collect())
    }

    /// Sets one part; whether that changed anything.
    pub fn set(&mut self, name: &'static str, state: ComponentState, text: impl Into<String>) -> bool {
        let new = Component { state, text: text.into() };
        self.0.insert(name, new.clone()) != Some(new)
    }

    /// The worst state of all; ok without any part.
    #[must_use]
    pub fn state(&self) -> ComponentState {
        self.0.values().map(|component| component.state).max().unwrap_or_default()
    }

    /// Why the daemon is not ready, each failed part with its text; `None` when it is.
    #[must_use]
    pub fn not_ready(&self) -> Option<String> {
        let failed = self.0.iter().filter(|(_, component)| component.state == ComponentState::Failed);
        let lines: Vec<String> = failed.map(|(name, component)| format!("{name}: {}", component.text)).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// What `/health` answers with.
    #[must_use]
    pub fn report(&self) -> HealthReport<'_> {
        HealthReport { schema: 1, state: self.state(), components: &self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_ready_when_no_part_has_failed() {
        let mut parts = Components::starting(&["store", "link"]);
        assert_eq!(parts.not_ready().as_deref(), Some("link: starting; store: starting"));
        assert!(parts.set("store", ComponentState::Ok, ""));
        assert!(!parts.set("store", ComponentState::Ok, ""));
        assert!(parts.set("link", ComponentState::Degraded, "the coordinator is away"));
        assert_eq!((parts.not_ready(), parts.state()), (None, ComponentState::Degraded));
        assert_eq!(Components::default().state(), ComponentState::Ok);
    }
}
