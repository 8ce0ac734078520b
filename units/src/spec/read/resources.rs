//! What cgroups bound, weigh and count (systemd.resource-control(5)).

use crate::diagnostic::codes;
use crate::spec::keyword::keyword;
use crate::spec::listen::is_interface_name;
use crate::spec::merge::{Assigned, Row};
use crate::spec::reader::Reader;
use crate::spec::resources::{
    CgroupPlace, Controller, CpuResources, CpuWeight, Delegation, IoResources, MemoryResources, NetworkAccess,
    OomdPolicy, ResourceSpec,
};
use crate::spec::value::{self, address, amount, device, number};
use crate::syntax::words::Escapes;

/// Reads one directive into `spec`; `false` when it is none of this family.
pub(crate) fn row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ResourceSpec) -> bool {
    memory_row(reader, row, &mut spec.memory)
        || cpu_row(reader, row, &mut spec.cpu)
        || io_row(reader, row, &mut spec.io)
        || network_row(reader, row, &mut spec.network)
        || place_row(reader, row, &mut spec.tree)
        || oomd_row(reader, row, &mut spec.oomd)
        || other_row(reader, row, spec)
}

fn memory_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut MemoryResources) -> bool {
    let Some(last) = row.values.last() else { return true };
    let target = match row.directive.key {
        "MemoryMin" => &mut spec.min,
        "DefaultMemoryMin" => &mut spec.default_min,
        "MemoryLow" => &mut spec.low,
        "DefaultMemoryLow" => &mut spec.default_low,
        "StartupMemoryLow" => &mut spec.startup_low,
        "DefaultStartupMemoryLow" => &mut spec.default_startup_low,
        "MemoryHigh" => &mut spec.high,
        "StartupMemoryHigh" => &mut spec.startup_high,
        "MemoryMax" => &mut spec.max,
        "StartupMemoryMax" => &mut spec.startup_max,
        "MemorySwapMax" => &mut spec.swap_max,
        "StartupMemorySwapMax" => &mut spec.startup_swap_max,
        "MemoryZSwapMax" => &mut spec.zswap_max,
        "StartupMemoryZSwapMax" => &mut spec.startup_zswap_max,
        _ => return watch_row(reader, row, last, spec),
    };
    // No memory at all is a limit only where that leaves something: of swap, and of what is protected.
    let zero = ["Min", "Low", "SwapMax"].iter().any(|end| row.directive.key.ends_with(end));
    *target = reader.checked(last, amount::memory(last.value(), zero));
    true
}

fn watch_row(reader: &mut Reader<'_>, row: &Row<'_>, last: &Assigned<'_>, spec: &mut MemoryResources) -> bool {
    match row.directive.key {
        "MemoryAccounting" => spec.accounting = reader.boolean(last),
        "MemoryZSwapWriteback" => spec.zswap_writeback = reader.boolean(last),
        "MemoryPressureWatch" => spec.pressure_watch = reader.keyword(last),
        "MemoryPressureThresholdSec" => spec.pressure_threshold = reader.long_span(last),
        _ => return false,
    }
    true
}

fn cpu_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut CpuResources) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "CPUAccounting" => spec.accounting = reader.boolean(last),
        "CPUWeight" => spec.weight = cpu_weight(reader, last),
        "StartupCPUWeight" => spec.startup_weight = cpu_weight(reader, last),
        "CPUQuota" => {
            let quota = value::percentage(last.value()).and_then(|quota| match quota {
                0 => Err("a quota of 0% would leave no CPU time at all".to_owned()),
                quota => Ok(quota),
            });
            spec.quota = reader.checked(last, quota);
        }
        "CPUQuotaPeriodSec" => spec.quota_period = reader.long_span(last),
        "AllowedCPUs" => spec.allowed_cpus = reader.ranges(row.values),
        "StartupAllowedCPUs" => spec.startup_allowed_cpus = reader.ranges(row.values),
        "AllowedMemoryNodes" => spec.allowed_memory_nodes = reader.ranges(row.values),
        "StartupAllowedMemoryNodes" => spec.startup_allowed_memory_nodes = reader.ranges(row.values),
        _ => return false,
    }
    true
}

fn cpu_weight(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<CpuWeight> {
    if at.value() == "idle" { Some(CpuWeight::Idle) } else { weight(reader, at).map(CpuWeight::Share) }
}

fn weight(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<u16> {
    reader.checked(at, weight_of(at.value()))
}

fn weight_of(text: &str) -> Result<u16, String> {
    let weight = number::unsigned(text).and_then(|weight| u16::try_from(weight).ok());
    let weight = weight.filter(|weight| (1..=10_000).contains(weight));
    weight.ok_or_else(|| format!("{text:?} is no weight from 1 to 10000"))
}

fn io_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut IoResources) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "IOAccounting" => spec.accounting = reader.boolean(last),
        "IOWeight" => spec.weight = weight(reader, last),
        "StartupIOWeight" => spec.startup_weight = weight(reader, last),
        "IODeviceWeight" => spec.device_weight = per_device(reader, row, weight_of),
        "IOReadBandwidthMax" => spec.read_bandwidth_max = per_device(reader, row, rate),
        "IOWriteBandwidthMax" => spec.write_bandwidth_max = per_device(reader, row, rate),
        "IOReadIOPSMax" => spec.read_iops_max = per_device(reader, row, rate),
        "IOWriteIOPSMax" => spec.write_iops_max = per_device(reader, row, rate),
        "IODeviceLatencyTargetSec" => spec.latency_target = per_device(reader, row, value::time_span),
        _ => return false,
    }
    true
}

fn rate(text: &str) -> Result<Option<u64>, String> {
    match value::size_to_base(text, 1000)? {
        Some(0) => Err("a limit of 0 would stop all IO".to_owned()),
        rate => Ok(rate),
    }
}

/// `PATH VALUE` lines; of two for one path the later one counts.
fn per_device<T>(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<(String, T)> {
    let mut found: Vec<(String, T)> = Vec::new();
    for at in row.values {
        let Some((path, rest)) = reader.first_word(at, Escapes::Plain) else { continue };
        if rest.is_empty() {
            reader.checked::<()>(at, Err(format!("{:?} is no path followed by a value", at.value())));
            continue;
        }
        let Some(path) = reader.expand(at, 0, &path.text) else { continue };
        let open = reader.is_open(&path);
        let path = if open { Some(path) } else { reader.checked(at, value::plain_path(&path)) };
        let Some(path) = path else { continue };
        let offset = at.value().len() - rest.len();
        let Some(value) = reader.checked_at(at, offset, parse(rest)) else { continue };
        if !open && !path.starts_with('/') {
            let message = format!("{}=: {path:?} is not absolute: it names no device", at.assignment.key);
            reader.warning(codes::NO_EFFECT, at.place(0), message, "write a path such as /dev/sda, or take it away");
            continue;
        }
        found.retain(|(other, _)| *other != path);
        found.push((path, value));
    }
    found
}

fn network_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut NetworkAccess) -> bool {
    let values = row.values;
    match row.directive.key {
        "IPAccounting" => spec.accounting = values.last().and_then(|last| reader.boolean(last)),
        "IPAddressAllow" => spec.address_allow = prefixes(reader, row),
        "IPAddressDeny" => spec.address_deny = prefixes(reader, row),
        "IPIngressFilterPath" => spec.ingress_filters = reader.path_lines(values),
        "IPEgressFilterPath" => spec.egress_filters = reader.path_lines(values),
        "SocketBindAllow" => spec.bind_allow = reader.lines(values, address::socket_bind),
        "SocketBindDeny" => spec.bind_deny = reader.lines(values, address::socket_bind),
        "RestrictNetworkInterfaces" => spec.interfaces = reader.name_filter(values, interface),
        "NFTSet" => spec.nft_sets = reader.parsed(values, Escapes::Plain, nft_set),
        _ => return false,
    }
    true
}

fn prefixes(reader: &mut Reader<'_>, row: &Row<'_>) -> Vec<address::IpPrefix> {
    let mut found = Vec::new();
    for prefix in reader.parsed(row.values, Escapes::Unquoted, address::ip_prefixes).into_iter().flatten() {
        if !found.contains(&prefix) {
            found.push(prefix);
        }
    }
    found
}

fn interface(text: &str) -> Result<(), String> {
    if is_interface_name(text) { Ok(()) } else { Err(format!("{text:?} is no name of a network interface")) }
}

/// `SOURCE:FAMILY:TABLE:SET`
fn nft_set(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "/\\_.".contains(c));
    match parts.as_slice() {
        ["cgroup" | "user" | "group", "arp" | "bridge" | "inet" | "ip" | "ip6" | "netdev", names @ ..]
            if names.len() == 2 && names.iter().all(name) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!("{text:?} is no set such as cgroup:inet:filter:my_service")),
    }
}

fn place_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut CgroupPlace) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "Slice" => {
            let text = reader.text(last).unwrap_or_default();
            let checked = slice(&reader.example(&text)).map(|()| text);
            spec.slice = reader.checked(last, checked);
        }
        "Delegate" => spec.delegate = delegate(reader, row),
        "DelegateSubgroup" => {
            let fits = !last.value().starts_with(['.', '_']) && !last.value().contains('/');
            let name = fits.then(|| last.value().to_owned());
            let name = name.ok_or_else(|| format!("{:?} is no name of a cgroup", last.value()));
            spec.delegate_subgroup = reader.checked(last, name);
        }
        "DisableControllers" => {
            for at in row.values {
                spec.disable_controllers.extend(controllers(reader, at));
            }
        }
        _ => return false,
    }
    true
}

/// Unknown ones are ignored, as long as there is one that is known.
fn controllers(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Vec<Controller> {
    let words = reader.words(std::slice::from_ref(at), Escapes::Plain);
    let known: Vec<Controller> = words.iter().filter_map(|(_, word)| keyword(&word.text)).collect();
    if known.is_empty() {
        reader.checked::<()>(at, Err(format!("{:?} names no controller such as cpu, memory, pids", at.value())));
        return known;
    }
    for (at, word) in words.iter().filter(|(_, word)| keyword::<Controller>(&word.text).is_none()) {
        reader.ignored(at, word.offset, &word.text, "no controller");
    }
    known
}

/// As systemd's `slice_name_is_valid`: dashes are levels, so none may be empty.
fn slice(text: &str) -> Result<(), String> {
    let stem = text.strip_suffix(".slice");
    let level =
        |level: &str| !level.is_empty() && level.chars().all(|c| c.is_ascii_alphanumeric() || ":_.\\".contains(c));
    match stem {
        Some("-") => Ok(()),
        Some(stem) if stem.split('-').all(level) && text.len() < 256 => Ok(()),
        _ => Err(format!("{text:?} is no name of a slice such as app-web.slice")),
    }
}

/// A boolean replaces what was before, names of controllers add up.
fn delegate(reader: &mut Reader<'_>, row: &Row<'_>) -> Option<Delegation> {
    let mut found = None;
    for at in row.values {
        if let Ok(yes) = value::boolean(at.value()) {
            found = yes.then_some(Delegation::All);
            continue;
        }
        let names = reader.parsed(std::slice::from_ref(at), Escapes::Plain, |word| {
            keyword(word).ok_or_else(|| format!("{word:?} is no controller such as cpu, memory, pids"))
        });
        found = Some(match found {
            Some(Delegation::All) => Delegation::All,
            Some(Delegation::Controllers(before)) => Delegation::Controllers(before.into_iter().chain(names).collect()),
            None => Delegation::Controllers(names.into_iter().collect()),
        });
    }
    found
}

fn oomd_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut OomdPolicy) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "ManagedOOMSwap" => spec.swap = reader.keyword(last),
        "ManagedOOMMemoryPressure" => spec.memory_pressure = reader.keyword(last),
        "ManagedOOMPreference" => spec.preference = reader.keyword(last),
        "ManagedOOMMemoryPressureDurationSec" => spec.memory_pressure_duration = reader.long_span(last),
        "ManagedOOMMemoryPressureLimit" => {
            let limit = value::percentage(last.value()).and_then(|limit| {
                let limit = u32::try_from(limit).ok().filter(|limit| *limit <= 10_000);
                limit.ok_or_else(|| format!("{:?} is more than 100%", last.value()))
            });
            spec.memory_pressure_limit = reader.checked(last, limit);
        }
        _ => return false,
    }
    true
}

fn other_row(reader: &mut Reader<'_>, row: &Row<'_>, spec: &mut ResourceSpec) -> bool {
    let Some(last) = row.values.last() else { return true };
    match row.directive.key {
        "TasksAccounting" => spec.tasks_accounting = reader.boolean(last),
        "TasksMax" => spec.tasks_max = reader.checked(last, amount::tasks(last.value())),
        "DevicePolicy" => spec.device_policy = reader.keyword(last),
        "DeviceAllow" => row.values.iter().for_each(|at| spec.device_allow.extend(device_allow(reader, at))),
        "BPFProgram" => row.values.iter().for_each(|at| spec.bpf_programs.extend(bpf_program(reader, at))),
        "CoredumpReceive" => spec.coredump_receive = reader.boolean(last).unwrap_or_default(),
        _ => return false,
    }
    true
}

fn device_allow(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<device::DeviceAllow> {
    let (name, rights) = reader.first_word(at, Escapes::Plain)?;
    let name = reader.expand(at, 0, &name.text)?;
    let name = if reader.is_open(&name) { name } else { reader.checked(at, device::device(&name))? };
    reader.checked_at(at, at.value().len() - rights.len(), device::device_rights(name, rights))
}

const BPF_TYPES: &[&str] = &[
    "ingress",
    "egress",
    "sock_create",
    "sock_ops",
    "device",
    "bind4",
    "bind6",
    "connect4",
    "connect6",
    "post_bind4",
    "post_bind6",
    "sendmsg4",
    "sendmsg6",
    "sysctl",
    "recvmsg4",
    "recvmsg6",
    "getsockopt",
    "setsockopt",
];

/// `TYPE:PATH`
fn bpf_program(reader: &mut Reader<'_>, at: &Assigned<'_>) -> Option<(String, String)> {
    let halves = at.value().split_once(':').filter(|(kind, _)| BPF_TYPES.contains(kind));
    let halves = halves.ok_or_else(|| format!("{:?} is no program such as ingress:/sys/fs/bpf/prog", at.value()));
    let (kind, path) = reader.checked(at, halves)?;
    let path = reader.path(at, kind.len() + 1, path)?;
    Some((kind.to_owned(), path))
}
