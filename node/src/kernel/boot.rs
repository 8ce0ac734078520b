//! Which boot of the machine this is.

use std::fs;
use std::io;

/// The kernel's random id of this boot, as 36 characters. Process ids and start times mean something only together
/// with it.
///
/// # Errors
/// When `/proc` is not there.
pub fn id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_boot_id_stays_the_same() {
        let id = super::id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id, super::id().unwrap());
    }
}
