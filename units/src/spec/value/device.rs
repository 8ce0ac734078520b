//! Devices and what is allowed or limited on them (systemd.resource-control(5): `DeviceAllow=`, `IO*=`).

/// One `DeviceAllow=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAllow {
    /// A node below /dev, or `block-NAME` or `char-NAME` of /proc/devices with shell patterns.
    pub device: String,
    /// `r`
    pub read: bool,
    /// `w`
    pub write: bool,
    /// `m`: make the node.
    pub make_node: bool,
}

/// The rights behind the device, `rw`; none at all means all of them.
///
/// # Errors
/// Letters other than r, w and m.
pub fn device_rights(device: String, rights: &str) -> Result<DeviceAllow, String> {
    if let Some(other) = rights.chars().find(|c| !"rwm".contains(*c)) {
        return Err(format!("{other:?} is no right of a device: they are r, w and m"));
    }
    let has = |right| rights.is_empty() || rights.contains(right);
    Ok(DeviceAllow { device, read: has('r'), write: has('w'), make_node: has('m') })
}

/// Whether `text` can name a device in `DeviceAllow=`.
///
/// # Errors
/// Neither a path below /dev nor a group of /proc/devices.
pub fn device(text: &str) -> Result<String, String> {
    if let Some(group) = text.strip_prefix("block-").or_else(|| text.strip_prefix("char-")) {
        let fits = !group.chars().any(|c| c.is_control() || c.is_whitespace());
        return if fits { Ok(text.to_owned()) } else { Err(format!("{text:?} is no group of devices")) };
    }
    let path = super::absolute_path(text)?;
    if path == "/dev" || path.starts_with("/dev/") || path.starts_with("/run/systemd/inaccessible/") {
        return Ok(path);
    }
    Err(format!("{text:?} is neither a path below /dev nor block-NAME or char-NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_nodes_or_groups_and_have_rights() {
        assert_eq!(device("/dev//null"), Ok("/dev/null".to_owned()));
        assert!(device("char-pts").is_ok() && device("block-*").is_ok());
        for text in ["/etc/passwd", "null", "/dev/../etc", "char-a b"] {
            assert!(device(text).is_err(), "{text:?}");
        }
        let allowed = device_rights("/dev/null".to_owned(), "rw").unwrap();
        assert_eq!((allowed.read, allowed.write, allowed.make_node), (true, true, false));
        assert!(device_rights("/dev/null".to_owned(), "").unwrap().make_node);
        assert!(device_rights("/dev/null".to_owned(), "rx").is_err());
    }
}
