//! Settings that contradict each other, and settings that say something and change nothing.
//!
//! Each rule belongs to one directive and is asked only where that directive is given, so that a unit costs time for
//! what it says. Rules are few and exact: what systemd or its man pages call contradictory or without effect, and what
//! follows from the meaning of `[X-Fleet]`. The unit files of packages shall not drown in them.

mod fleet;
mod service;
mod unit;

use crate::diagnostic::{Code, Diagnostic, Severity, codes};
use crate::spec::merge::Merged;
use crate::spec::reader::Reader;
use crate::spec::{ServiceSpec, UnitSpec, value};
use foldhash::HashMap;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What a rule looks at.
struct Facts<'a> {
    unit: &'a UnitSpec,
    /// All defaults for what is no service.
    service: &'a ServiceSpec,
    merged: &'a Merged<'a>,
    /// The last key and value of the rule's directive, as written.
    key: &'a str,
    value: &'a str,
}

/// What a rule has found, at its directive.
struct Finding {
    severity: Severity,
    code: Code,
    message: Cow<'static, str>,
    hint: &'static str,
}

/// The directive a rule belongs to, and what it says where that is given.
type Rule = (&'static str, fn(&Facts<'_>) -> Option<Finding>);

static RULES: LazyLock<HashMap<&str, Vec<Rule>>> = LazyLock::new(|| {
    let mut rules: HashMap<_, Vec<Rule>> = HashMap::default();
    for rule in [unit::RULES, service::RULES, fleet::RULES].into_iter().flatten() {
        rules.entry(rule.0).or_default().push(*rule);
    }
    rules
});

/// Asks every rule of the directives that `merged` gives; `unit` is what they mean.
pub(crate) fn together(reader: &mut Reader<'_>, unit: &UnitSpec, merged: &Merged<'_>) {
    static NO_SERVICE: LazyLock<ServiceSpec> = LazyLock::new(ServiceSpec::default);
    let service = unit.service().unwrap_or(&NO_SERVICE);
    for row in merged.rows() {
        let (Some(rules), Some(last)) = (RULES.get(row.directive.key), row.values.last()) else { continue };
        let facts = Facts { unit, service, merged, key: &last.assignment.key, value: last.value() };
        for finding in rules.iter().filter_map(|(_, rule)| rule(&facts)) {
            let Finding { severity, code, message, hint } = finding;
            let make = match severity {
                Severity::Error => Diagnostic::error,
                Severity::Warning => Diagnostic::warning,
                Severity::Note => Diagnostic::note,
            };
            reader.diagnostics.push(make(code, last.key_place(), message).with_hint(hint));
        }
    }
}

impl Facts<'_> {
    fn given(&self, key: &str) -> bool {
        self.merged.last(key).is_some()
    }

    fn says(&self, key: &str, value: &str) -> bool {
        self.merged.last(key).is_some_and(|at| at.value() == value)
    }

    fn is_yes(&self, key: &str) -> bool {
        self.merged.last(key).is_some_and(|at| value::boolean(at.value()) == Ok(true))
    }

    /// Whether the rule's own directive is switched off.
    fn is_off(&self) -> bool {
        value::boolean(self.value) == Ok(false)
    }
}

/// A warning that the directive has no effect, when that is so.
fn no_effect(when: bool, message: impl Into<Cow<'static, str>>, hint: &'static str) -> Option<Finding> {
    when.then(|| Finding { severity: Severity::Warning, code: codes::NO_EFFECT, message: message.into(), hint })
}

/// A warning that two settings cannot both be meant, when that is so.
fn contradiction(when: bool, message: impl Into<Cow<'static, str>>, hint: &'static str) -> Option<Finding> {
    when.then(|| Finding { severity: Severity::Warning, code: codes::CONTRADICTION, message: message.into(), hint })
}
