//! Names of things of the kernel: architectures, address families, namespaces.

use crate::spec::keyword::keywords;

/// Whether `word` is an architecture of `SystemCallArchitectures=` (systemd's `seccomp_arch_from_string`).
#[must_use]
pub fn is_call_architecture(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "native",
        "x86",
        "x86-64",
        "x32",
        "arm",
        "arm64",
        "loongarch64",
        "m68k",
        "mips",
        "mips64",
        "mips64-n32",
        "mips-le",
        "mips64-le",
        "mips64-le-n32",
        "parisc",
        "parisc64",
        "ppc",
        "ppc64",
        "ppc64-le",
        "riscv32",
        "riscv64",
        "s390",
        "s390x",
        "sh",
        "sheb",
        "sh4",
        "sh4eb",
    ];
    WORDS.contains(&word)
}

/// The architectures of `Personality=` and `ConditionArchitecture=` (uname(2), in systemd's words).
pub const ARCHITECTURES: &[&str] = &[
    "x86",
    "x86-64",
    "alpha",
    "arc",
    "arc-be",
    "arm",
    "arm-be",
    "arm64",
    "arm64-be",
    "cris",
    "ia64",
    "loongarch64",
    "m68k",
    "mips",
    "mips-le",
    "mips64",
    "mips64-le",
    "nios2",
    "parisc",
    "parisc64",
    "ppc",
    "ppc-le",
    "ppc64",
    "ppc64-le",
    "riscv32",
    "riscv64",
    "s390",
    "s390x",
    "sh",
    "sh64",
    "sparc",
    "sparc64",
    "tilegx",
];

/// Whether `word` is an address family, `AF_INET`, in any case (address_families(7)).
#[must_use]
pub fn is_address_family(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "ALG",
        "APPLETALK",
        "ASH",
        "ATMPVC",
        "ATMSVC",
        "AX25",
        "BLUETOOTH",
        "BRIDGE",
        "CAIF",
        "CAN",
        "DECnet",
        "ECONET",
        "FILE",
        "IB",
        "IEEE802154",
        "INET",
        "INET6",
        "IPX",
        "IRDA",
        "ISDN",
        "IUCV",
        "KCM",
        "KEY",
        "LLC",
        "LOCAL",
        "MCTP",
        "MPLS",
        "NETBEUI",
        "NETLINK",
        "NETROM",
        "NFC",
        "PACKET",
        "PHONET",
        "PPPOX",
        "QIPCRTR",
        "RDS",
        "ROSE",
        "ROUTE",
        "RXRPC",
        "SECURITY",
        "SMC",
        "SNA",
        "TIPC",
        "UNIX",
        "VSOCK",
        "WANPIPE",
        "X25",
        "XDP",
    ];
    let name = word.get(..3).filter(|start| start.eq_ignore_ascii_case("AF_")).map(|_| &word[3..]);
    name.is_some_and(|name| NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

keywords! {
    /// A kind of namespace (namespaces(7)).
    Namespace {
        Cgroup = "cgroup",
        Ipc = "ipc",
        Net = "net",
        Mount = "mnt",
        Pid = "pid",
        User = "user",
        Uts = "uts",
        Time = "time",
    }
}
