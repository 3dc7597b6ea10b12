//! Records into a caller's buffer, the way the module does it in every process, with a watch over what lies
//! around the buffer and over every string that the caller is given.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use libc::{group, passwd, spwd};
use snapshot::{AccountRecord, GroupRecord, UserRecord};

use crate::answer::Refusal;
use crate::fill::{Buffer, fill_group, fill_passwd, fill_spwd};

/// What nobody may touch, on either side of the buffer.
const MARGIN: usize = 64;
const MARK: u8 = 0xa5;

/// A caller's memory. Its buffers begin and end anywhere: glibc promises no alignment.
pub struct Caller {
    memory: Vec<u8>,
    length: usize,
    start: usize,
}

impl Caller {
    /// One with a buffer of `length` bytes that begins `shift` bytes off an aligned address.
    pub fn new(length: u16, shift: u8) -> Self {
        let (length, start) = (usize::from(length), MARGIN + usize::from(shift % 8));
        Self { memory: vec![MARK; start + length + MARGIN], length, start }
    }

    /// `getpwnam_r` and its kin.
    pub fn passwd(&mut self, user: &UserRecord<'_>) {
        let filled = self.fill(|buffer, result| {
            // SAFETY: `result` is a struct that may be written.
            unsafe { fill_passwd(user, result, buffer) }
        });
        let Some(filled): Option<passwd> = filled else { return };
        let strings = [filled.pw_name, filled.pw_passwd, filled.pw_gecos, filled.pw_dir, filled.pw_shell];
        strings.into_iter().for_each(|string| {
            self.string(string);
        });
    }

    /// `getgrnam_r` and its kin.
    pub fn group(&mut self, record: &GroupRecord<'_>) {
        let filled = self.fill(|buffer, result| {
            // SAFETY: `result` is a struct that may be written.
            unsafe { fill_group(record, result, buffer) }
        });
        let Some(filled): Option<group> = filled else { return };
        self.string(filled.gr_name);
        assert_eq!(self.string(filled.gr_passwd), b"*");
        assert!(filled.gr_mem.is_aligned());
        let pointers = self.within(filled.gr_mem.cast()).chunks_exact(size_of::<*mut c_char>());
        let pointers =
            pointers.map(|bytes| usize::from_ne_bytes(bytes.try_into().expect("a pointer's size")));
        let members: Vec<usize> = pointers.take_while(|address| *address != 0).collect();
        let names =
            members.iter().map(|address| self.string(std::ptr::with_exposed_provenance_mut(*address)));
        let expected: Result<Vec<&[u8]>, _> = record.members.iter().collect();
        assert_eq!(names.collect::<Vec<_>>(), expected.expect("what was filled was read"));
    }

    /// `getspnam_r` and its kin.
    pub fn spwd(&mut self, account: &AccountRecord<'_>) {
        let filled = self.fill(|buffer, result| {
            // SAFETY: `result` is a struct that may be written.
            unsafe { fill_spwd(account, result, buffer) }
        });
        let Some(filled): Option<spwd> = filled else { return };
        self.string(filled.sp_namp);
        assert_eq!(self.string(filled.sp_pwdp), if account.locked { &b"!*"[..] } else { b"*" });
    }

    fn fill<T>(&mut self, fill: impl FnOnce(&Buffer, *mut T) -> Result<(), Refusal>) -> Option<T> {
        self.memory.fill(MARK);
        let mut result = MaybeUninit::uninit();
        let start = self.memory[self.start..].as_mut_ptr();
        start.expose_provenance();
        // SAFETY: `length` bytes at `start` are ours, and nothing else uses them until `fill` returns.
        let buffer = unsafe { Buffer::new(start.cast(), self.length) };
        let outcome = fill(&buffer, result.as_mut_ptr());
        let (before, after) = (&self.memory[..self.start], &self.memory[self.start + self.length..]);
        assert!(before.iter().chain(after).all(|byte| *byte == MARK), "written outside of the buffer");
        match outcome {
            // SAFETY: the fillers fill the struct before they report success.
            Ok(()) => Some(unsafe { result.assume_init() }),
            Err(Refusal::BufferTooSmall | Refusal::Unavailable(libc::EBADMSG)) => None,
            Err(other) => panic!("{other:?} is no answer to a record"),
        }
    }

    /// The string at `start`, which lies within the buffer with its NUL.
    fn string(&self, start: *mut c_char) -> &[u8] {
        CStr::from_bytes_until_nul(self.within(start)).expect("ends within the buffer").to_bytes()
    }

    /// The buffer from `start` onwards.
    fn within(&self, start: *mut c_char) -> &[u8] {
        let buffer = &self.memory[self.start..self.start + self.length];
        let offset = start.addr().checked_sub(buffer.as_ptr().addr()).expect("begins within the buffer");
        buffer.get(offset..).expect("begins within the buffer")
    }
}
