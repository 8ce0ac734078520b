//! What is mounted where in a unit's view of the file system (systemd.exec(5): `BindPaths=`, `MountImages=` and their
//! neighbours), and which parts of a disk image may be used (systemd.image-policy(7)).

use super::absolute_path;
use crate::spec::keyword::{keyword, keywords};
use crate::syntax::specifier::begins_with_path;
use crate::syntax::words::unescape;
use std::collections::BTreeSet;

/// A path of `ReadWritePaths=` and its relatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// Absolute.
    pub path: String,
    /// `-`: a missing one is no error.
    pub optional: bool,
    /// `+`: below the unit's own root.
    pub in_root: bool,
}

/// One bind mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// Absolute, on the host.
    pub source: String,
    /// Absolute, in the unit's view.
    pub destination: String,
    /// `-`: a missing source is no error.
    pub optional: bool,
    /// Mounts below it come along; default yes.
    pub recursive: bool,
    /// `idmap`: owners are mapped.
    pub mapped: bool,
}

/// One file system in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemporaryMount {
    /// Absolute.
    pub path: String,
    /// Mount options as written.
    pub options: String,
}

/// A disk image and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageMount {
    /// Absolute, on the host.
    pub source: String,
    /// Absolute, in the unit's view; `None` for extensions.
    pub destination: Option<String>,
    /// `-`: a missing image is no error.
    pub optional: bool,
    /// Mount options by partition.
    pub options: Vec<PartitionOptions>,
}

/// Mount options of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOptions {
    /// Which one.
    pub partition: Partition,
    /// As written.
    pub options: String,
}

keywords! {
    /// A partition of an image (systemd.image-policy(7)).
    Partition {
        Root = "root",
        Usr = "usr",
        Home = "home",
        Srv = "srv",
        Esp = "esp",
        Xbootldr = "xbootldr",
        Swap = "swap",
        RootVerity = "root-verity",
        UsrVerity = "usr-verity",
        RootVeritySig = "root-verity-sig",
        UsrVeritySig = "usr-verity-sig",
        Tmp = "tmp",
        Var = "var",
    }

    /// What may be done with a partition.
    PolicyFlag {
        Verity = "verity",
        Signed = "signed",
        Encrypted = "encrypted",
        EncryptedWithIntegrity = "encryptedwithintegrity",
        Unprotected = "unprotected",
        Unused = "unused",
        Absent = "absent",
        Open = "open",
        Ignore = "ignore",
        ReadOnlyOn = "read-only-on",
        ReadOnlyOff = "read-only-off",
        GrowfsOn = "growfs-on",
        GrowfsOff = "growfs-off",
    }
}

/// Which partitions of an image may be used how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagePolicy {
    /// For partitions that are not listed.
    pub otherwise: BTreeSet<PolicyFlag>,
    /// In order, each partition once.
    pub partitions: Vec<(Partition, BTreeSet<PolicyFlag>)>,
}

/// `PARTITION=FLAG+FLAG:…`, or `*` (everything), `-` (nothing is used), `~` (nothing may be there).
///
/// # Errors
/// Anything else.
pub fn image_policy(text: &str) -> Result<ImagePolicy, String> {
    let all = |flag| ImagePolicy { otherwise: BTreeSet::from([flag]), partitions: Vec::new() };
    match text {
        "-" => return Ok(all(PolicyFlag::Ignore)),
        "*" => return Ok(all(PolicyFlag::Open)),
        "~" => return Ok(all(PolicyFlag::Absent)),
        _ => {}
    }
    let mut policy = all(PolicyFlag::Ignore);
    let mut default_given = false;
    for part in text.split(':') {
        let (name, flags) =
            part.split_once('=').ok_or_else(|| format!("{part:?} is no rule such as root=verity+signed"))?;
        let flags = policy_flags(flags.trim())?;
        match name.trim() {
            "" if default_given => return Err("the rule for all other partitions is there twice".to_owned()),
            "" => (policy.otherwise, default_given) = (flags, true),
            name => {
                let partition = partition(name)?;
                if policy.partitions.iter().any(|(other, _)| *other == partition) {
                    return Err(format!("there are two rules for {name}"));
                }
                policy.partitions.push((partition, flags));
            }
        }
    }
    Ok(policy)
}

fn policy_flags(text: &str) -> Result<BTreeSet<PolicyFlag>, String> {
    if text.is_empty() || text == "-" {
        return Ok(BTreeSet::new());
    }
    let flag = |word: &str| keyword(word.trim()).ok_or_else(|| format!("{word:?} is no flag of an image policy"));
    text.split('+').map(flag).collect()
}

fn partition(name: &str) -> Result<Partition, String> {
    keyword(name).ok_or_else(|| format!("{name:?} is no partition of an image"))
}

/// The parts of a word between colons; a backslash makes the next character an ordinary one.
fn parts(word: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        let last = found.last_mut().expect("it is never empty");
        match c {
            ':' => found.push(String::new()),
            '\\' => last.push(chars.next().unwrap_or('\\')),
            other => last.push(other),
        }
    }
    found
}

/// As [`parts`], for words whose other backslashes begin C escapes.
///
/// # Errors
/// A backslash that begins no escape, and escapes that give no UTF-8.
pub(crate) fn escaped_parts(word: &str) -> Result<Vec<String>, String> {
    let mut raw = vec![String::new()];
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        let last = raw.last_mut().expect("it is never empty");
        match (c, chars.clone().next()) {
            (':', _) => raw.push(String::new()),
            ('\\', Some(':')) => last.extend(chars.next()),
            ('\\', Some(_)) => last.extend(['\\'].into_iter().chain(chars.next())),
            (other, _) => last.push(other),
        }
    }
    let part = |part: String| {
        let bytes = unescape(&part, false).map_err(|error| format!("in {part:?} {}", error.message))?;
        String::from_utf8(bytes).map_err(|_| format!("the escapes of {part:?} give no UTF-8"))
    };
    raw.into_iter().map(part).collect()
}

/// `[-][+]PATH`
///
/// # Errors
/// A path that is not absolute, or holds `..`.
pub fn path_rule(word: &str) -> Result<PathRule, String> {
    let optional = word.starts_with('-');
    let rest = word.strip_prefix('-').unwrap_or(word);
    let in_root = rest.starts_with('+');
    let path = absolute(rest.strip_prefix('+').unwrap_or(rest))?;
    Ok(PathRule { path, optional, in_root })
}

/// A path the host may begin: `%t/x` is left as it is.
fn absolute(text: &str) -> Result<String, String> {
    if begins_with_path(text) { Ok(text.to_owned()) } else { absolute_path(text) }
}

/// `[-]SOURCE[:DESTINATION[:OPTIONS]]`
///
/// # Errors
/// Paths that are not absolute, unknown options.
pub fn bind(word: &str) -> Result<BindMount, String> {
    let parts = parts(word);
    let (source, rest) = parts.split_first().expect("there is a first part");
    let optional = source.starts_with('-');
    let source = absolute(source.strip_prefix('-').unwrap_or(source))?;
    let destination = match rest.first() {
        Some(destination) => absolute(destination)?,
        None => source.clone(),
    };
    let mut mount = BindMount { source, destination, optional, recursive: true, mapped: false };
    for option in rest.iter().skip(1).flat_map(|options| options.split(',')) {
        match option {
            "" | "rbind" => mount.recursive = true,
            "norbind" => mount.recursive = false,
            "idmap" => mount.mapped = true,
            "noidmap" => mount.mapped = false,
            _ => {
                return Err(format!(
                    "{option:?} is no option of a bind mount: they are rbind, norbind, idmap, noidmap"
                ));
            }
        }
    }
    if rest.len() > 2 { Err(format!("{word:?} has more than source, destination and options")) } else { Ok(mount) }
}

/// `PATH[:OPTIONS]`
///
/// # Errors
/// A path that is not absolute.
pub fn temporary(word: &str) -> Result<TemporaryMount, String> {
    let (path, options) = word.split_once(':').unwrap_or((word, ""));
    Ok(TemporaryMount { path: absolute(path)?, options: options.to_owned() })
}

/// `PARTITION:OPTIONS`, or just the options of the root partition.
///
/// # Errors
/// An unknown partition.
pub fn partition_options(word: &str) -> Result<PartitionOptions, String> {
    match word.split_once(':') {
        Some((name, options)) if !options.is_empty() => {
            Ok(PartitionOptions { partition: partition(name)?, options: options.to_owned() })
        }
        _ => Ok(PartitionOptions { partition: Partition::Root, options: word.trim_end_matches(':').to_owned() }),
    }
}

/// `[-]IMAGE:DESTINATION[:PARTITION:OPTIONS…]`
///
/// # Errors
/// Paths that are not absolute, a missing destination, an unknown partition.
pub fn mounted_image(word: &str) -> Result<ImageMount, String> {
    let parts = parts(word);
    match parts.as_slice() {
        [source, destination, options @ ..] if !destination.is_empty() => {
            let image = image(source, options)?;
            Ok(ImageMount { destination: Some(absolute(destination)?), ..image })
        }
        _ => Err(format!("{word:?} does not say where the image goes: IMAGE:DESTINATION")),
    }
}

/// `[-]IMAGE[:PARTITION:OPTIONS…]`
///
/// # Errors
/// A path that is not absolute, an unknown partition.
pub fn extension_image(word: &str) -> Result<ImageMount, String> {
    let parts = parts(word);
    let (source, options) = parts.split_first().expect("there is a first part");
    image(source, options)
}

fn image(source: &str, options: &[String]) -> Result<ImageMount, String> {
    let optional = source.starts_with('-');
    let source = absolute(source.strip_prefix('-').unwrap_or(source))?;
    let pair = |pair: &[String]| match pair {
        [name, options] => Ok(PartitionOptions { partition: partition(name)?, options: options.clone() }),
        // A single one is for the root partition.
        _ => Ok(PartitionOptions { partition: Partition::Root, options: pair.concat() }),
    };
    let options = options.chunks(2).map(pair).collect::<Result<_, String>>()?;
    Ok(ImageMount { source, destination: None, optional, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_have_source_destination_and_options() {
        let mount = bind("-/a:/b:norbind").unwrap();
        assert_eq!((mount.source.as_str(), mount.destination.as_str()), ("/a", "/b"));
        assert!(mount.optional && !mount.recursive);
        assert_eq!(bind(r"/a\:b").unwrap().destination, "/a:b");
        assert_eq!(bind("%t/x:/y").unwrap().source, "%t/x");
        for word in ["a", "/a:", "/a:b", "/a:/b:ro", "/a:/b:rbind:x", "/a/../b", ""] {
            assert!(bind(word).is_err(), "{word:?}");
        }
        assert_eq!(path_rule("-+/a//b").unwrap(), PathRule { path: "/a/b".into(), optional: true, in_root: true });
        assert!(path_rule("+-/a").is_err());
        assert_eq!(temporary("/a:size=1M,ro").unwrap().options, "size=1M,ro");
    }

    #[test]
    fn images_have_options_by_partition() {
        let image = mounted_image("-/a.raw:/mnt:root:ro:home:noexec").unwrap();
        assert_eq!(image.options.len(), 2);
        assert_eq!(image.options[1], PartitionOptions { partition: Partition::Home, options: "noexec".into() });
        assert_eq!(extension_image("/a.raw:ro").unwrap().options[0].partition, Partition::Root);
        assert!(mounted_image("/a.raw").is_err() && extension_image("/a.raw:boot:ro").is_err());
        assert_eq!(partition_options("usr:ro").unwrap().partition, Partition::Usr);
    }

    #[test]
    fn image_policies_have_a_rule_for_each_partition() {
        let policy = image_policy("root=verity+signed:swap=absent:=ignore").unwrap();
        assert_eq!(policy.partitions.len(), 2);
        assert_eq!(policy.otherwise, BTreeSet::from([PolicyFlag::Ignore]));
        assert!(["*", "-", "~"].iter().all(|text| image_policy(text).is_ok()));
        for text in ["root", "boot=open", "root=open:root=open", "root=fast", "=open:=open"] {
            assert!(image_policy(text).is_err(), "{text:?}");
        }
    }
}
