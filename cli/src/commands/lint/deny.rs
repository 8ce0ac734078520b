//! `--deny`: findings that are taken as errors.

use crate::error::did_you_mean;
use fleet_units::diagnostic::{Diagnostic, Severity, codes};
use std::str::FromStr;

/// What is taken as an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deny {
    /// All warnings.
    Warnings,
    /// Findings with this code.
    Code(&'static str),
}

impl Deny {
    /// Whether it makes `diagnostic`, which is no error by itself, one.
    pub(super) fn hits(&self, diagnostic: &Diagnostic) -> bool {
        match self {
            Deny::Warnings => diagnostic.severity == Severity::Warning,
            Deny::Code(code) => diagnostic.code == *code,
        }
    }

    /// As it is written on the command line.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Deny::Warnings => "warnings",
            Deny::Code(code) => code,
        }
    }
}

impl FromStr for Deny {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "warnings" {
            return Ok(Deny::Warnings);
        }
        codes::find(text).map(|code| Deny::Code(code.name)).ok_or_else(|| {
            let known = codes::all().map(|code| code.name).chain(["warnings"]);
            let near = did_you_mean(text, known).unwrap_or_else(|| "docs/errors.md lists the codes".to_owned());
            format!("{text} is neither `warnings` nor the code of a finding; {near}")
        })
    }
}
