//! Short texts in memory that other processes map, too.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Up to `N` bytes. Whoever writes it says afterwards, by storing something else with release ordering, that it may be
/// read.
#[repr(C)]
pub(super) struct Text<const N: usize> {
    length: AtomicU32,
    bytes: [AtomicU8; N],
}

impl<const N: usize> Text<N> {
    /// `false`: it is too long, and nothing was written.
    pub(super) fn set(&self, text: &str) -> bool {
        let Ok(length) = u32::try_from(text.len()) else { return false };
        if text.len() > N {
            return false;
        }
        for (place, byte) in self.bytes.iter().zip(text.bytes()) {
            place.store(byte, Ordering::Relaxed);
        }
        self.length.store(length, Ordering::Relaxed);
        true
    }

    /// The text; bytes that are none, in a damaged file, are replaced.
    pub(super) fn get(&self) -> String {
        let length = usize::try_from(self.length.load(Ordering::Relaxed)).map_or(N, |length| length.min(N));
        let bytes: Vec<u8> = self.bytes[..length].iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.length.load(Ordering::Relaxed) as usize == text.len()
            && self.bytes.iter().zip(text.bytes()).all(|(place, byte)| place.load(Ordering::Relaxed) == byte)
    }
}
