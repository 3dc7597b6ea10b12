//! Argon2id (RFC 9106), the one kind of hash that Pody makes: its parameters and their bounds, the memory
//! it works in, and its PHC string form.

use argon2::password_hash::phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::limits::{MAX_ARGON2_LANES, MAX_ARGON2_MEMORY_KIB, MAX_ARGON2_PASSES, MAX_ARGON2_WORK_KIB};
use crate::verifiers::{HashError, HashKind};

/// The salt of a new hash: 128 bits, as RFC 9106 section 3.1 recommends.
pub type Salt = [u8; 16];

/// The tag of a new hash: 256 bits, as in RFC 9106's recommended parameters.
const OUTPUT_BYTES: usize = 32;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Parameters {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Parameters {
    /// OWASP's first choice: 19 MiB, two passes, one lane; about 15 ms.
    pub const DEFAULT: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// The memory in KiB, the passes over it, and the lanes it is cut into. Fails with
    /// [`HashError::TooCostly`] above the limits in [`crate::limits`], with [`HashError::Malformed`] below
    /// what Argon2 itself demands (one pass, one lane, 8 KiB a lane).
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, HashError> {
        let work_kib = u64::from(memory_kib) * u64::from(passes);
        if memory_kib > MAX_ARGON2_MEMORY_KIB
            || passes > MAX_ARGON2_PASSES
            || lanes > MAX_ARGON2_LANES
            || work_kib > MAX_ARGON2_WORK_KIB
        {
            return Err(HashError::TooCostly(HashKind::Argon2id));
        }
        match Params::new(memory_kib, passes, lanes, None) {
            Ok(_) => Ok(Self { memory_kib, passes, lanes }),
            Err(_) => Err(HashError::Malformed(HashKind::Argon2id)),
        }
    }

    pub(super) fn memory_kib(self) -> u64 {
        self.memory_kib.into()
    }

    fn params(self, output_bytes: usize) -> Params {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(output_bytes))
            .expect("parameters were checked when they were made")
    }

    fn blocks(self) -> usize {
        self.params(OUTPUT_BYTES).block_count()
    }
}

impl Default for Argon2Parameters {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The memory that hashes are computed in, kept from one hash to the next because faulting fresh pages in
/// costs a third of the time. Wiped after each.
#[derive(Debug, Default)]
pub struct Memory {
    blocks: Vec<Block>,
    kept: usize,
}

impl Memory {
    /// Memory that keeps what hashes of these parameters need.
    pub fn for_hashes_of(parameters: Argon2Parameters) -> Self {
        let mut memory = Self::default();
        memory.keep_enough_for(parameters);
        memory
    }

    /// Keeps what hashes of these parameters need from the next one on. A stored hash that needs more gets
    /// it for as long as it is computed.
    pub fn keep_enough_for(&mut self, parameters: Argon2Parameters) {
        self.kept = parameters.blocks();
    }

    fn with_blocks<T>(&mut self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        if self.blocks.len() < count {
            self.blocks = vec![Block::new(); count.max(self.kept)];
        }
        let used = &mut self.blocks[..count];
        let result = work(used);
        used.iter_mut().for_each(Zeroize::zeroize);
        if self.blocks.len() > self.kept {
            self.blocks = Vec::new();
        }
        result
    }
}

/// An argon2id hash, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argon2id {
    parameters: Argon2Parameters,
    salt: phc::Salt,
    output: phc::Output,
}

impl Argon2id {
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed(HashKind::Argon2id);
        let parts = phc::PasswordHash::new(text).map_err(|_| malformed)?;
        let number = |name: &str| parts.params.get_decimal(name).ok_or(malformed);
        // All three and no more: `keyid` and `data` stand for secrets that Pody does not have.
        let parameters = Argon2Parameters::new(number("m")?, number("t")?, number("p")?)?;
        let version = Version::V0x13 as u32;
        match (parts.salt, parts.hash) {
            (Some(salt), Some(output))
                if parts.algorithm == ARGON2ID_IDENT
                    && parts.version == Some(version)
                    && parts.params.iter().count() == 3
                    && output.len() >= 16 =>
            {
                Ok(Self { parameters, salt, output })
            }
            _ => Err(malformed),
        }
    }

    pub(super) fn new(
        password: &[u8],
        parameters: Argon2Parameters,
        salt: &Salt,
        memory: &mut Memory,
    ) -> Self {
        let salt = phc::Salt::new(salt).expect("16 bytes make a salt");
        let mut output = [0; OUTPUT_BYTES];
        compute(parameters, password, &salt, &mut output, memory);
        Self { parameters, salt, output: phc::Output::new(&output).expect("32 bytes make a tag") }
    }

    /// A hash of these parameters that no password is known to match.
    pub(super) fn unmatchable(parameters: Argon2Parameters) -> Self {
        let salt = phc::Salt::new(&[0; size_of::<Salt>()]).expect("16 bytes make a salt");
        Self { parameters, salt, output: phc::Output::new(&[0; OUTPUT_BYTES]).expect("32 bytes make a tag") }
    }

    pub(super) fn verify(&self, password: &[u8], memory: &mut Memory) -> bool {
        let mut output = vec![0; self.output.len()];
        compute(self.parameters, password, &self.salt, &mut output, memory);
        output.ct_eq(self.output.as_bytes()).into()
    }

    pub(super) fn memory_kib(&self) -> u64 {
        self.parameters.memory_kib()
    }

    /// Whether this is what [`Argon2id::new`] would make today.
    pub(super) fn is_current(&self, current: Argon2Parameters) -> bool {
        self.parameters == current
            && self.salt.len() >= size_of::<Salt>()
            && self.output.len() == OUTPUT_BYTES
    }

    /// The PHC string.
    pub(super) fn to_phc(&self) -> String {
        let Argon2Parameters { memory_kib, passes, lanes } = self.parameters;
        let (salt, output) = (self.salt.to_salt_string(), &self.output);
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }
}

fn compute(
    parameters: Argon2Parameters,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters.params(output.len()));
    memory
        .with_blocks(parameters.blocks(), |blocks| {
            argon2.hash_password_into_with_memory(password, salt, output, blocks)
        })
        .expect("the lengths of password, salt and tag were checked when they were parsed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_wiped_after_use_and_given_back_beyond_what_is_kept() {
        let usual = Argon2Parameters::new(64, 1, 1).unwrap();
        let costly = Argon2Parameters::new(1024, 1, 1).unwrap();
        let mut memory = Memory::for_hashes_of(usual);
        let _ = Argon2id::new(b"correct horse", usual, &[7; 16], &mut memory);
        assert_eq!(memory.blocks.len(), 64);
        assert!(memory.blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        let _ = Argon2id::new(b"correct horse", costly, &[7; 16], &mut memory);
        assert_eq!(memory.blocks.capacity(), 0);
    }

    #[test]
    fn parameters_that_argon2_or_a_login_cannot_bear_are_refused() {
        for (memory_kib, passes, lanes) in [(7, 1, 1), (64, 0, 1), (64, 1, 0), (63, 1, 8)] {
            let refused = Argon2Parameters::new(memory_kib, passes, lanes);
            assert_eq!(
                refused,
                Err(HashError::Malformed(HashKind::Argon2id)),
                "{memory_kib} {passes} {lanes}"
            );
        }
        assert_eq!(Argon2Parameters::new(1 << 21, 1, 1), Err(HashError::TooCostly(HashKind::Argon2id)));
        assert_eq!(Argon2Parameters::new(19_456, 2, 1), Ok(Argon2Parameters::DEFAULT));
    }
}
