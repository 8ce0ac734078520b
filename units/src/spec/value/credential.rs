//! Credentials (systemd.exec(5), "Credentials") and files opened for a unit (`OpenFile=`).

use super::absolute_path;
use crate::syntax::specifier::begins_with_path;

/// One `LoadCredential=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedCredential {
    /// The file in `$CREDENTIALS_DIRECTORY`.
    pub name: String,
    /// An absolute path, or the name of a credential of the node.
    pub source: String,
    /// Whether its content is encrypted.
    pub encrypted: bool,
}

/// One `SetCredential=`
#[derive(Clone, PartialEq, Eq)]
pub struct SetCredential {
    /// The file in `$CREDENTIALS_DIRECTORY`.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Whether the content is encrypted.
    pub encrypted: bool,
}

impl std::fmt::Debug for SetCredential {
    /// Without the content: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetCredential {{ name: {:?}, {} bytes }}", self.name, self.content.len())
    }
}

/// One `ImportCredential=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedCredential {
    /// A name, or the beginning of names with `*` at the end.
    pub pattern: String,
    /// What replaces that beginning.
    pub renamed: Option<String>,
}

/// A name of a credential or of a passed descriptor: a file name of printable ASCII without a colon.
///
/// # Errors
/// Anything else.
pub fn descriptor_name(text: &str) -> Result<&str, String> {
    let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b':' && b != b'/');
    let fits = plain && (1..=255).contains(&text.len()) && text != "." && text != "..";
    if fits { Ok(text) } else { Err(format!("{text:?} is no name of a credential or descriptor")) }
}

/// A name of a passed descriptor behind `fd:` (systemd's `fdname_valid`): printable ASCII without a colon.
///
/// # Errors
/// Anything else.
pub fn stream_name(text: &str) -> Result<&str, String> {
    let fits = text.len() <= 255 && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b':');
    if fits { Ok(text) } else { Err(format!("{text:?} is no name of a descriptor")) }
}

/// `NAME[:SOURCE]`
///
/// # Errors
/// A name or source that is none.
pub fn loaded(text: &str, encrypted: bool) -> Result<LoadedCredential, String> {
    // A backslash makes a colon a part of the name, which cannot have one.
    let (name, source) = match text.split_once(':') {
        Some((name, _)) if name.ends_with('\\') => (text, ""),
        halves => halves.unwrap_or((text, "")),
    };
    let name = descriptor_name(name)?;
    let source = match source {
        "" => name.to_owned(),
        open if begins_with_path(open) => open.to_owned(),
        // Here systemd does not clean a path.
        path if path.contains("//") || path.contains("/./") || path.ends_with("/.") => {
            return Err(format!("the path {path:?} is written with needless parts"));
        }
        path if path.starts_with('/') => absolute_path(path)?,
        other => descriptor_name(other)?.to_owned(),
    };
    Ok(LoadedCredential { name: name.to_owned(), source, encrypted })
}

/// `PATTERN[:NAME]`
///
/// # Errors
/// A pattern with `*` elsewhere than at the end.
pub fn imported(text: &str) -> Result<ImportedCredential, String> {
    let (pattern, renamed) = text.split_once(':').map_or((text, None), |(pattern, name)| (pattern, Some(name)));
    let stem = pattern.strip_suffix('*').unwrap_or(pattern);
    let is_all = stem.is_empty() && pattern == "*";
    if stem.contains(['*', '?', '[', ']']) || (!is_all && descriptor_name(stem).is_err()) {
        return Err(format!("{pattern:?} is no name of a credential, perhaps with * at its end"));
    }
    let renamed = renamed.map(|name| descriptor_name(name).map(str::to_owned)).transpose()?;
    Ok(ImportedCredential { pattern: pattern.to_owned(), renamed })
}

/// One `OpenFile=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// Absolute.
    pub path: String,
    /// The descriptor's name in `$LISTEN_FDNAMES`.
    pub name: String,
    /// How it is opened.
    pub mode: OpenMode,
    /// `graceful`: a missing one is no error.
    pub optional: bool,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading and writing.
    ReadWrite,
    /// `read-only`
    ReadOnly,
    /// `append`
    Append,
    /// `truncate`
    Truncate,
}

/// `PATH[:NAME[:OPTION,…]]`
///
/// # Errors
/// A relative path, a name that is none, unknown or repeated options, two ways to open it.
pub fn open_file(text: &str) -> Result<OpenFile, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (path, name, options) = match parts.as_slice() {
        [path] => (*path, "", ""),
        [path, name] => (*path, *name, ""),
        [path, name, options] => (*path, *name, *options),
        _ => return Err(format!("{text:?} has more than path, name and options")),
    };
    let path = if path.starts_with('%') { path.to_owned() } else { absolute_path(path)? };
    let name = if name.is_empty() { path.rsplit('/').next().unwrap_or_default() } else { name };
    let mut file =
        OpenFile { name: descriptor_name(name)?.to_owned(), path, mode: OpenMode::ReadWrite, optional: false };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let mode = match option {
            "graceful" if !file.optional => {
                file.optional = true;
                continue;
            }
            "read-only" => OpenMode::ReadOnly,
            "append" => OpenMode::Append,
            "truncate" => OpenMode::Truncate,
            _ => return Err(format!("{option:?} is no option, or there twice: read-only, append, truncate, graceful")),
        };
        if file.mode != OpenMode::ReadWrite {
            return Err("a file is opened in one way: read-only, append or truncate".to_owned());
        }
        file.mode = mode;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_a_name_and_a_source() {
        assert_eq!(loaded("a:/etc/a", false).unwrap().source, "/etc/a");
        assert_eq!((loaded("a", true).unwrap().source, loaded("a:b", false).unwrap().source), ("a".into(), "b".into()));
        for text in ["", ":", "a/b:/x", "a:/x/../y", "a:/x//y", "é:/x"] {
            assert!(loaded(text, false).is_err(), "{text:?}");
        }
        assert!(imported("foo.*").is_ok() && imported("*").is_ok() && imported("foo:bar").is_ok());
        assert!(imported("f*o").is_err() && imported("").is_err() && imported("a/*").is_err());
    }

    #[test]
    fn open_files_have_path_name_and_options() {
        let file = open_file("/var/log/x:log:append,graceful").unwrap();
        assert_eq!((file.name.as_str(), file.mode, file.optional), ("log", OpenMode::Append, true));
        assert_eq!(open_file("/var/log/x").unwrap().name, "x");
        assert_eq!(open_file("/var/log/x::read-only").unwrap().mode, OpenMode::ReadOnly);
        for text in ["x", "/a:b:c", "/a:b:append,truncate", "/a:b:append,append", "/a:b:graceful:x", "/"] {
            assert!(open_file(text).is_err(), "{text:?}");
        }
    }
}
