//! Specifiers filled into a value as text, only where the text then means what the specifier meant.
//!
//! Systemd fills in specifiers after it has split a value into words, so a value with a blank, a quote or a backslash
//! stays one word. As text it would not: there the specifier stays, and a comment gives its value.

use crate::spec::directives::{Directive, Kind};
use crate::syntax::Specifiers;

/// A value with what could be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub text: String,
    /// A remark for each specifier that had to stay.
    pub kept: Vec<String>,
}

impl Filled {
    pub(super) fn as_written(value: &str) -> Self {
        Filled { text: value.to_owned(), kept: Vec::new() }
    }
}

/// `value` with its specifiers filled in, as far as the kind has any, their values are known and harmless.
pub(super) fn fill(directive: &Directive, value: &str, specifiers: &Specifiers<'_>) -> Filled {
    let splits = match filling(directive) {
        Filling::None => return Filled::as_written(value),
        _ if !value.contains('%') => return Filled::as_written(value),
        Filling::Whole => false,
        Filling::Parts => true,
    };
    let mut filled = Filled { text: String::with_capacity(value.len()), kept: Vec::new() };
    // Beside a backslash a character may become part of an escape.
    let escapes = value.contains('\\');
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        let letter = (character == '%').then(|| characters.next()).flatten();
        let Some(letter) = letter else {
            filled.text.push(character);
            continue;
        };
        match specifiers.value(letter) {
            // What is not known here stays, and so does what is wrong: that is another's finding.
            Ok(text) if letter != '%' && !text.starts_with('%') => {
                if !escapes && is_harmless(&text, &filled.text) && !(splits && text.contains([':', ','])) {
                    filled.text.push_str(&text);
                    continue;
                }
                filled.kept.push(remark(letter, &text));
            }
            Ok(_) | Err(_) => {}
        }
        filled.text.extend(['%', letter]);
    }
    filled
}

/// In one line: what stands here goes into a comment.
fn remark(letter: char, text: &str) -> String {
    format!("%{letter} stays as written: its value is {text:?}")
}

/// Whether `text` behind `before` reads as the characters it consists of.
fn is_harmless(text: &str, before: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+,=".contains(c);
    let at_begin = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || "/._=".contains(c));
    // At the beginning of a word some characters are prefixes.
    let prefix = at_begin && text.starts_with(|c: char| !c.is_ascii_alphanumeric() && c != '/');
    !text.is_empty() && text.chars().all(plain) && !prefix
}

/// Whether values of a kind have specifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filling {
    /// A percent sign stays a percent sign.
    None,
    /// In each word.
    Whole,
    /// In each part of a word; colons and commas that a specifier brings along would part it anew.
    Parts,
}

/// A test compares this with what the readers do.
fn filling(directive: &Directive) -> Filling {
    match directive.key {
        // Texts that systemd takes as they are.
        "BindToDevice" | "IPTOS" | "TCPCongestion" => Filling::None,
        _ => of_kind(directive.kind),
    }
}

/// Every kind decides.
fn of_kind(kind: Kind) -> Filling {
    match kind {
        Kind::Text
        | Kind::Command
        | Kind::Environment
        | Kind::EnvironmentFile
        | Kind::Path
        | Kind::PathLines
        | Kind::WorkingDirectory
        | Kind::Input
        | Kind::Output
        | Kind::Paths
        | Kind::Account
        | Kind::Accounts
        | Kind::Words
        | Kind::Units
        | Kind::Dependencies
        | Kind::FirstUnit
        | Kind::LastUnit
        | Kind::Calendar
        | Kind::TriggerSpan
        | Kind::VariableNames
        | Kind::InputText
        | Kind::LogFields
        | Kind::LogNamespace
        | Kind::BusName
        | Kind::Slice
        | Kind::Label
        | Kind::Condition(_)
        | Kind::Hostname
        | Kind::Url
        | Kind::HostPort
        | Kind::Affinity
        | Kind::Architectures
        | Kind::BpfWords
        | Kind::Controllers
        | Kind::CoredumpFilter
        | Kind::Delegation
        | Kind::ExitStatus
        | Kind::NumaMask
        | Kind::Numbers
        | Kind::Refresh
        | Kind::Files => Filling::Whole,
        Kind::Directories
        | Kind::SearchPath
        | Kind::Listen
        | Kind::SetCredentials
        | Kind::EncryptedCredentials
        | Kind::LoadCredentials
        | Kind::ImportCredentials
        | Kind::OpenFiles
        | Kind::DeviceWeights
        | Kind::DeviceRates
        | Kind::DeviceLatencies
        | Kind::Devices
        | Kind::Addresses
        | Kind::BpfPrograms
        | Kind::NftSets
        | Kind::Binds
        | Kind::TemporaryFileSystems
        | Kind::PartitionOptions
        | Kind::MountImages
        | Kind::SocketRules
        | Kind::ExtensionImages => Filling::Parts,
        Kind::Ignored
        | Kind::Bool
        | Kind::BoolOr(_)
        | Kind::Choice(_)
        | Kind::Span
        | Kind::NanoSpan
        | Kind::Integer(..)
        | Kind::Memory
        | Kind::Tasks
        | Kind::Quota
        | Kind::Percentage
        | Kind::Share
        | Kind::CountOrPercent
        | Kind::CpuWeight
        | Kind::Mode
        | Kind::Signal
        | Kind::Limit
        | Kind::Size
        | Kind::InputData
        | Kind::LogLevel
        | Kind::LogFacility
        | Kind::IoClass
        | Kind::CpuPolicy
        | Kind::Interfaces
        | Kind::Capabilities
        | Kind::SecureBits
        | Kind::SystemCalls
        | Kind::LoggedCalls
        | Kind::SystemCallError
        | Kind::AddressFamilies
        | Kind::Namespaces
        | Kind::FileSystems
        | Kind::Selector
        | Kind::CgroupName
        | Kind::ImagePolicy
        | Kind::Patterns
        | Kind::RootHash
        | Kind::RootHashSignature
        | Kind::Instances => Filling::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Bundle, SourceFile};
    use crate::spec::{Context, directives, load};
    use std::collections::BTreeMap;

    /// Whether the reader of a directive looks for specifiers: it complains of one that is none.
    fn reads_specifiers(row: &Directive) -> bool {
        const FORMS: [&str; 17] = [
            "%Q",
            "/%Q",
            "A=%Q",
            "A=/%Q",
            "a:%Q",
            "a:/%Q",
            "/a:/%Q",
            "/bin/a %Q",
            "/%Q 5",
            "127.0.0.1:%Q",
            "%Q.service",
            "file:%Q",
            "file:/%Q",
            "http://%Q/",
            "%Q:YQ==",
            "ingress:/%Q",
            "private:%Q",
        ];
        let (name, others) = match row.section {
            "Timer" => ("a.timer", "[Timer]\nOnBootSec=1\n"),
            "Socket" => ("a.socket", "[Socket]\nListenStream=/a\n"),
            _ => ("a.service", "[Service]\nExecStart=/bin/a\n"),
        };
        let context = Context { environment: "test".parse().unwrap(), host: None };
        FORMS.iter().any(|form| {
            let text = format!("{others}[{}]\n{}={form}\n", row.section, row.key);
            let files = [(format!("units/{name}"), SourceFile::new(false, text.as_bytes()))].into();
            let loaded = load(&name.parse().unwrap(), &Bundle { files }, &context);
            loaded.diagnostics.iter().any(|found| found.code == crate::diagnostic::codes::BAD_SPECIFIER.name)
        })
    }

    #[test]
    fn specifiers_are_filled_in_exactly_where_the_readers_look_for_them() {
        let mut wrong = BTreeMap::new();
        for row in directives::all() {
            let reads = reads_specifiers(row);
            if reads != (filling(row) != Filling::None) {
                wrong.entry(format!("{:?}", row.kind)).or_insert_with(Vec::new).push((row.key, reads));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
