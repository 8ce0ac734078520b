//! What is mounted where in a unit's view of the file system (systemd.exec(5): `BindPaths=`, `MountImages=` and their
//! neighbours), and which parts of a disk image may be used (systemd.image-policy(7)).

use super::absolute_path;
use crate::spec::keyword::{keyword, keywords};
use crate::syntax::fields;
use crate::syntax::specifier::begins_with_path;
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

/// `[-]SOURCE`, the destination where it is another path, and options with commas between.
///
/// # Errors
/// Paths that are not absolute, unknown options.
pub fn bind(source: &str, destination: Option<&str>, options: &str) -> Result<BindMount, String> {
    let optional = source.starts_with('-');
    let source = absolute(source.strip_prefix('-').unwrap_or(source))?;
    let destination = destination.map_or(Ok(source.clone()), absolute)?;
    let mut mount = BindMount { source, destination, optional, recursive: true, mapped: false };
    for option in options.split(',') {
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
    Ok(mount)
}

/// `PARTITION:OPTIONS`, or just the options of the root partition; `None` for nothing but colons.
///
/// # Errors
/// An unknown partition.
pub fn partition_options(word: &str) -> Result<Option<PartitionOptions>, String> {
    match &filled(word)?[..] {
        fields @ ([] | [_] | [_, _]) => Ok(options_of(fields)?.pop()),
        _ => Err(format!("{word:?} has more than a partition and its options")),
    }
}

/// `[-]IMAGE:DESTINATION[:PARTITION:OPTIONS…]`; `None` for nothing but colons.
///
/// # Errors
/// Paths that are not absolute, a missing destination, an unknown partition.
pub fn mounted_image(word: &str) -> Result<Option<ImageMount>, String> {
    match &filled(word)?[..] {
        [] => Ok(None),
        [_] => Err(format!("{word:?} does not say where the image goes: IMAGE:DESTINATION")),
        [source, destination, options @ ..] => {
            let image = image(source, options)?;
            Ok(Some(ImageMount { destination: Some(absolute(destination)?), ..image }))
        }
    }
}

/// `[-]IMAGE[:PARTITION:OPTIONS…]`; `None` for nothing but colons.
///
/// # Errors
/// A path that is not absolute, an unknown partition.
pub fn extension_image(word: &str) -> Result<Option<ImageMount>, String> {
    match &filled(word)?[..] {
        [] => Ok(None),
        [source, options @ ..] => image(source, options).map(Some),
    }
}

/// Several colons are as one.
fn filled(word: &str) -> Result<Vec<String>, String> {
    let mut fields = fields::escaped(word)?;
    fields.retain(|field| !field.is_empty());
    Ok(fields)
}

fn image(source: &str, options: &[String]) -> Result<ImageMount, String> {
    let optional = source.starts_with('-');
    let source = absolute(source.strip_prefix('-').unwrap_or(source))?;
    Ok(ImageMount { source, destination: None, optional, options: options_of(options)? })
}

fn options_of(fields: &[String]) -> Result<Vec<PartitionOptions>, String> {
    let pair = |pair: &[String]| match pair {
        [name, options] => Ok(PartitionOptions { partition: partition(name)?, options: options.clone() }),
        // A single one is for the root partition.
        _ => Ok(PartitionOptions { partition: Partition::Root, options: pair.concat() }),
    };
    fields.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_have_source_destination_and_options() {
        let mount = bind("-/a", Some("/b"), "norbind").unwrap();
        assert_eq!((mount.source.as_str(), mount.destination.as_str()), ("/a", "/b"));
        assert!(mount.optional && !mount.recursive);
        assert_eq!(bind("/a:b", None, "").unwrap().destination, "/a:b");
        assert_eq!(bind("%t/x", Some("/y"), "").unwrap().source, "%t/x");
        for (source, destination, options) in
            [("a", None, ""), ("/a", Some(""), ""), ("/a", Some("b"), ""), ("/a", None, "ro"), ("/a/../b", None, "")]
        {
            assert!(bind(source, destination, options).is_err(), "{source:?}");
        }
        assert_eq!(path_rule("-+/a//b").unwrap(), PathRule { path: "/a/b".into(), optional: true, in_root: true });
        assert!(path_rule("+-/a").is_err());
    }

    #[test]
    fn images_have_options_by_partition() {
        let image = mounted_image("-/a.raw:/mnt::root:ro:home:noexec").unwrap().unwrap();
        assert_eq!(image.options.len(), 2);
        assert_eq!(image.options[1], PartitionOptions { partition: Partition::Home, options: "noexec".into() });
        assert_eq!(extension_image("/a.raw:ro").unwrap().unwrap().options[0].partition, Partition::Root);
        assert!(mounted_image("/a.raw").is_err() && extension_image("/a.raw:boot:ro").is_err());
        assert_eq!(partition_options("usr:ro").unwrap().unwrap().partition, Partition::Usr);
        assert_eq!(partition_options(r":r\:o:").unwrap().unwrap().options, "r:o");
        assert!(partition_options("usr:ro:x").is_err() && partition_options(r"ro\q").is_err());
        assert_eq!((partition_options("::"), mounted_image(":"), extension_image(":")), (Ok(None), Ok(None), Ok(None)));
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
