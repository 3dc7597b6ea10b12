//! Where the snapshot lies.

use core::ffi::CStr;

/// The directories of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// On disk: bases, `current`, persisted deltas.
    pub cache: &'a CStr,
    /// On tmpfs: the generation page, deltas.
    pub run: &'a CStr,
}

impl Places<'static> {
    /// Where the modules look. They read no environment: they are loaded into set-uid programs.
    pub const SYSTEM: Self = Self { cache: c"/var/cache/pody", run: c"/run/pody" };
}

/// Room for a path of ours with its final NUL: two directories of 26 bytes at the most in service,
/// the rest is for tests in temporary directories.
const PATH_BYTES: usize = 512;

/// A path put together without an allocator.
#[derive(Clone)]
pub struct PathBuffer {
    bytes: [u8; PATH_BYTES],
    len: usize,
}

impl PathBuffer {
    /// An empty path.
    pub const fn new() -> Self {
        Self { bytes: [0; PATH_BYTES], len: 0 }
    }

    /// `directory/`.
    pub fn within(directory: &CStr) -> Self {
        let mut path = Self::new();
        path.push(directory.to_bytes());
        path.push(b"/");
        path
    }

    /// Appends `text`. A path that grows too long is none: [`as_c_str`](Self::as_c_str) says so.
    pub fn push(&mut self, text: &[u8]) {
        for byte in text {
            self.push_byte(*byte);
        }
    }

    /// Appends one byte.
    #[inline(never)]
    pub fn push_byte(&mut self, byte: u8) {
        if let Some(room) = self.bytes.get_mut(self.len) {
            *room = byte;
            self.len += 1;
        }
    }

    /// The path, unless it was too long.
    pub fn as_c_str(&self) -> Option<&CStr> {
        if self.len >= PATH_BYTES {
            return None;
        }
        CStr::from_bytes_until_nul(&self.bytes).ok()
    }
}

impl Default for PathBuffer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_fit_is_no_path() {
        let mut path = PathBuffer::within(c"/run/pody");
        path.push(b"generation");
        assert_eq!(path.as_c_str(), Some(c"/run/pody/generation"));
        path.push(&[b'x'; PATH_BYTES]);
        assert_eq!(path.as_c_str(), None);
        path.push(b"y");
        assert_eq!(path.as_c_str(), None);
    }
}
