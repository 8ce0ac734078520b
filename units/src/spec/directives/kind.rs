//! What the value of a directive is: one kind for each grammar.

use crate::spec::condition::Subject;

/// What the value of a directive is: one for each grammar. Values of a list add up, an empty one empties it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text in one line, specifiers filled in.
    Text,
    /// Anything: nobody reads it.
    Ignored,
    /// yes, no, and their relatives.
    Bool,
    /// A boolean or one of these.
    BoolOr(&'static [&'static str]),
    /// One of these.
    Choice(&'static [&'static str]),
    /// A time span, or `infinity`.
    Span,
    /// A time span; numbers without a unit are nanoseconds.
    NanoSpan,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A size in bytes (K, M, G, T to the base 1024), a percentage, or `infinity`.
    Memory,
    /// A number, a percentage, or `infinity`.
    Tasks,
    /// A size, a percentage, or `off`.
    Quota,
    /// A percentage, of more than 100 as well.
    Percentage,
    /// A percentage of at most 100.
    Share,
    /// A number or a percentage.
    CountOrPercent,
    /// A weight from 1 to 10000, or `idle`.
    CpuWeight,
    /// An octal mode.
    Mode,
    /// The name or number of a signal.
    Signal,
    /// Exit codes and signals.
    ExitStatus,
    /// `soft:hard`, or one for both.
    Limit,
    /// Names of units; cannot be emptied.
    Dependencies,
    /// Names of units.
    Units,
    /// A size in bytes (K, M, G, T to the base 1024).
    Size,
    /// The name of a unit; the first one given counts, and it cannot be taken away.
    FirstUnit,
    /// The name of a unit; the last one given counts, and it cannot be taken away.
    LastUnit,
    /// An address, a path or the like to listen on; a list, emptied together with all others.
    Listen,
    /// A calendar event; a list, emptied together with the time spans of triggers.
    Calendar,
    /// A time span; a list, emptied together with calendar events.
    TriggerSpan,
    /// A command line.
    Command,
    /// `NAME=value` words.
    Environment,
    /// A path, perhaps with `-`.
    EnvironmentFile,
    /// Names of variables.
    VariableNames,
    /// An absolute path.
    Path,
    /// An absolute path or `~`, perhaps with `-`.
    WorkingDirectory,
    /// Absolute paths, each perhaps with `-` or `+`.
    Paths,
    /// An absolute path in each line.
    PathLines,
    /// Absolute paths between colons.
    SearchPath,
    /// Relative names below a folder of the system, perhaps with a link and flags.
    Directories,
    /// The name or number of a user or group.
    Account,
    /// Names or numbers of groups.
    Accounts,
    /// Words with specifiers.
    Words,
    /// Where input comes from.
    Input,
    /// Where output goes.
    Output,
    /// A line of text with C escapes.
    InputText,
    /// Base64.
    InputData,
    /// A level of syslog(3).
    LogLevel,
    /// A facility of syslog(3).
    LogFacility,
    /// `FIELD=value` words.
    LogFields,
    /// A name.
    LogNamespace,
    /// A pattern, perhaps behind `~`.
    Patterns,
    /// `NAME:CONTENT`
    SetCredentials,
    /// `NAME:BASE64`
    EncryptedCredentials,
    /// `NAME[:PATH]`
    LoadCredentials,
    /// A name, perhaps with `*` at its end.
    ImportCredentials,
    /// `PATH[:NAME[:OPTIONS]]`
    OpenFiles,
    /// A name on the D-Bus.
    BusName,
    /// What a reload makes anew.
    Refresh,
    /// An IO scheduling class, by name or number.
    IoClass,
    /// A CPU scheduling policy, by name or number.
    CpuPolicy,
    /// CPUs, or `numa`.
    Affinity,
    /// NUMA nodes, or `all`.
    NumaMask,
    /// Kinds of mappings, or a hexadecimal mask.
    CoredumpFilter,
    /// Numbers and ranges.
    Numbers,
    /// The name of a slice.
    Slice,
    /// A boolean, or controllers.
    Delegation,
    /// The name of a cgroup.
    CgroupName,
    /// Controllers of cgroups.
    Controllers,
    /// A path and a weight.
    DeviceWeights,
    /// A path and a size to the base 1000.
    DeviceRates,
    /// A path and a time span.
    DeviceLatencies,
    /// A device and its rights.
    Devices,
    /// Addresses, prefixes, and their names.
    Addresses,
    /// `[FAMILY:][TRANSPORT:]PORTS`
    SocketRules,
    /// Names of network interfaces; `~` inverts.
    Interfaces,
    /// `SOURCE:FAMILY:TABLE:SET` words.
    NftSets,
    /// `TYPE:PATH`
    BpfPrograms,
    /// Words of the BPF file system.
    BpfWords,
    /// Capabilities; `~` inverts.
    Capabilities,
    /// Secure bits.
    SecureBits,
    /// A label, perhaps with `-`.
    Label,
    /// System calls and groups, perhaps with errors; `~` inverts.
    SystemCalls,
    /// System calls and groups; `~` inverts.
    LoggedCalls,
    /// An error of errno(3), or `kill`.
    SystemCallError,
    /// Architectures of system calls.
    Architectures,
    /// Address families; `~` inverts.
    AddressFamilies,
    /// A boolean, or kinds of namespaces; `~` inverts.
    Namespaces,
    /// Types and groups of file systems; `~` inverts.
    FileSystems,
    /// A boolean, or `private[:NAME]`.
    Hostname,
    /// `[-]SOURCE[:DESTINATION[:OPTIONS]]` words.
    Binds,
    /// `PATH[:OPTIONS]` words.
    TemporaryFileSystems,
    /// `[PARTITION:]OPTIONS` words.
    PartitionOptions,
    /// `[-]IMAGE:DESTINATION[:PARTITION:OPTIONS]` words.
    MountImages,
    /// `[-]IMAGE[:PARTITION:OPTIONS]` words.
    ExtensionImages,
    /// A policy of systemd.image-policy(7).
    ImagePolicy,
    /// A path, or hexadecimal digits.
    RootHash,
    /// A path, or `base64:`.
    RootHashSignature,
    /// What a host must be like, perhaps behind `|` and `!`.
    Condition(Subject),
    /// A label selector.
    Selector,
    /// `all`, a number, or names.
    Instances,
    /// `SRC[:DEST]` words.
    Files,
    /// An http or https address.
    Url,
    /// `host:port`.
    HostPort,
}

impl Kind {
    /// The value in a few words, for people: `yes or no`, `time span`.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Kind::BoolOr(words) => {
                let others: Vec<&str> = words.iter().copied().filter(|word| !["yes", "no"].contains(word)).collect();
                format!("yes, no, {}", others.join(", "))
            }
            Kind::Choice(words) => words.join(", "),
            Kind::Integer(i64::MIN, _) => "number".to_owned(),
            Kind::Integer(low, high) if high >= i64::from(u32::MAX) => format!("number from {low}"),
            Kind::Integer(low, high) => format!("number from {low} to {high}"),
            other => other.facts().0.to_owned(),
        }
    }

    /// Whether several assignments add up (an empty one clears) instead of the last one winning.
    #[must_use]
    pub fn is_list(self) -> bool {
        match self.facts().1 {
            Shape::Single | Shape::Given => false,
            Shape::List | Shape::Set => true,
        }
    }

    /// Whether an empty value says something of its own, besides forgetting what was before.
    #[must_use]
    pub fn empty_counts(self) -> bool {
        self.facts().1 == Shape::Set
    }

    /// Whether systemd's readers of it want a value: an empty one is refused, and what was given before stays.
    pub(super) fn wants_a_value(self) -> bool {
        self.facts().1 == Shape::Given
    }

    /// In words, and how several assignments become one.
    fn facts(self) -> (&'static str, Shape) {
        use Shape::{Given, List, Set, Single};
        match self {
            Kind::Text => ("text", Single),
            Kind::Ignored => ("anything", Single),
            Kind::Bool => ("yes or no", Given),
            Kind::BoolOr(..) => ("yes, no, or a word", Given),
            Kind::Choice(..) => ("word", Given),
            Kind::Span => ("time span", Given),
            Kind::NanoSpan => ("time span, nanoseconds without a unit", Given),
            Kind::Integer(..) => ("number", Given),
            Kind::Memory => ("size or percentage", Single),
            Kind::Tasks => ("number or percentage", Single),
            Kind::Quota => ("size, percentage, or off", Single),
            Kind::Percentage => ("percentage", Single),
            Kind::Share => ("percentage", Single),
            Kind::CountOrPercent => ("number or percentage", Single),
            Kind::CpuWeight => ("number from 1 to 10000, idle", Single),
            Kind::Mode => ("octal mode", Given),
            Kind::Signal => ("signal", Given),
            Kind::ExitStatus => ("list of exit statuses and signals", List),
            Kind::Limit => ("limit, or soft:hard", Given),
            Kind::FirstUnit | Kind::LastUnit => ("name of a unit", Given),
            Kind::Listen => ("list of addresses", List),
            Kind::Calendar => ("list of calendar events", List),
            Kind::TriggerSpan => ("list of time spans", List),
            Kind::Size => ("size", Given),
            Kind::Dependencies => ("list of units", List),
            Kind::Units => ("list of units", List),
            Kind::Command => ("command line", List),
            Kind::Environment => ("list of NAME=value", List),
            Kind::EnvironmentFile => ("path, - allows a missing one", List),
            Kind::VariableNames => ("list of names of variables", List),
            Kind::Path => ("absolute path", Single),
            Kind::WorkingDirectory => ("absolute path or ~, - allows a missing one", Single),
            Kind::Paths => ("list of absolute paths", List),
            Kind::PathLines => ("absolute path", List),
            Kind::SearchPath => ("absolute paths between colons", List),
            Kind::Directories => ("list of relative names, NAME:LINK:ro", List),
            Kind::Account => ("name or number", Single),
            Kind::Accounts => ("list of names or numbers", List),
            Kind::Words => ("list", List),
            Kind::Input => ("null, tty, data, file:PATH, socket, fd:NAME", Given),
            Kind::Output => {
                ("journal, null, inherit, tty, kmsg, file:PATH, append:PATH, truncate:PATH, socket, fd:NAME", Given)
            }
            Kind::InputText => ("text", List),
            Kind::InputData => ("base64", List),
            Kind::LogLevel => ("level of syslog", Given),
            Kind::LogFacility => ("facility of syslog", Given),
            Kind::LogFields => ("list of FIELD=value", List),
            Kind::LogNamespace => ("name", Single),
            Kind::Patterns => ("regular expression, behind ~ what is dropped", List),
            Kind::SetCredentials => ("NAME:CONTENT", List),
            Kind::EncryptedCredentials => ("NAME:BASE64", List),
            Kind::LoadCredentials => ("NAME or NAME:PATH", List),
            Kind::ImportCredentials => ("name, * at its end", List),
            Kind::OpenFiles => ("PATH:NAME:OPTIONS", List),
            Kind::BusName => ("name on the bus", Given),
            Kind::Refresh => ("list of extensions, credentials", List),
            Kind::IoClass => ("best-effort, none, realtime, idle", Single),
            Kind::CpuPolicy => ("other, batch, idle, fifo, rr, ext", Single),
            Kind::Affinity => ("numbers and ranges, numa", List),
            Kind::NumaMask => ("numbers and ranges, all", List),
            Kind::CoredumpFilter => ("list of kinds of mappings", List),
            Kind::Numbers => ("numbers and ranges", List),
            Kind::Slice => ("slice", Given),
            Kind::Delegation => ("yes, no, list of controllers", Set),
            Kind::CgroupName => ("name", Single),
            Kind::Controllers => ("list of controllers", List),
            Kind::DeviceWeights => ("path and number from 1 to 10000", List),
            Kind::DeviceRates => ("path and size a second", List),
            Kind::DeviceLatencies => ("path and time span", List),
            Kind::Devices => ("device and rwm", List),
            Kind::Addresses => ("list of addresses and prefixes", List),
            Kind::SocketRules => ("FAMILY:TRANSPORT:PORTS", List),
            Kind::Interfaces => ("list of interfaces, ~ inverts", List),
            Kind::NftSets => ("list of SOURCE:FAMILY:TABLE:SET", List),
            Kind::BpfPrograms => ("TYPE:PATH", List),
            Kind::BpfWords => ("list", List),
            Kind::Capabilities => ("list of capabilities, ~ inverts", Set),
            Kind::SecureBits => ("list of secure bits", List),
            Kind::Label => ("label, - allows a missing one", Single),
            Kind::SystemCalls => ("list of system calls, ~ inverts", List),
            Kind::LoggedCalls => ("list of system calls, ~ inverts", List),
            Kind::SystemCallError => ("error, kill", Single),
            Kind::Architectures => ("list of architectures", List),
            Kind::AddressFamilies => ("list of address families, ~ inverts", List),
            Kind::Namespaces => ("yes, no, list of namespaces, ~ inverts", List),
            Kind::FileSystems => ("list of file systems, ~ inverts", List),
            Kind::Hostname => ("yes, no, private:NAME", Given),
            Kind::Binds => ("list of SOURCE:DESTINATION:OPTIONS", List),
            Kind::TemporaryFileSystems => ("list of PATH:OPTIONS", List),
            Kind::PartitionOptions => ("list of PARTITION:OPTIONS", List),
            Kind::MountImages => ("list of IMAGE:DESTINATION", List),
            Kind::ExtensionImages => ("list of images", List),
            Kind::ImagePolicy => ("image policy", Single),
            Kind::RootHash => ("path or hexadecimal digits", Single),
            Kind::RootHashSignature => ("path or base64:DATA", Single),
            Kind::Condition(..) => ("condition", List),
            Kind::Selector => ("label selector", Single),
            Kind::Instances => ("all, number, names", Single),
            Kind::Files => ("list of SRC[:DEST]", List),
            Kind::Url => ("http or https address", Single),
            Kind::HostPort => ("host:port", Single),
        }
    }
}

/// How several assignments of a directive become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The last one wins; an empty one forgets what was before.
    Single,
    /// The last one wins; an empty one is refused.
    Given,
    /// They add up; an empty one clears.
    List,
    /// They add up; an empty one clears and is itself the first.
    Set,
}
