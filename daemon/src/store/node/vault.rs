//! Seals what this node keeps for itself and nobody else is to read out of its file, or out of a backup of that.
//!
//! The key is in a file of its own beside it, or is what an admin has given podyd: against whoever has both there is no help.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Secret;

const KEY_BYTES: usize = 32;

/// The file in the state directory that holds the key where none was given.
const KEY_FILE: &str = "refresh-key";

/// A key.
pub struct Vault(LessSafeKey);

impl Vault {
    /// The vault whose key was given or, where none was, is in the state directory. One that is not there, or not whole, is made:
    /// what was sealed with another cannot be read any more.
    pub fn open(state: &Path, given: &Secret) -> io::Result<Self> {
        let key = match given.is_empty() {
            true => own_key(&state.join(KEY_FILE))?,
            false => Zeroizing::new(Sha256::digest(given.expose()).into()),
        };
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("it has the length of a key");
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a text, which only whoever names the same owner reads again.
    pub fn seal(&self, owner: &str, text: &Secret) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("getrandom(2) does not fail once Linux has booted");
        let mut sealed = text.expose().as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut sealed)
            .expect("a token is no terabyte");
        [nonce.as_slice(), &sealed].concat()
    }

    /// What was sealed; none: with another key, for another owner, or not by this.
    pub fn unseal(&self, owner: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let text = self.0.open_in_place(nonce, Aad::from(owner), &mut text).ok()?;
        std::str::from_utf8(text).ok().map(|text| text.to_owned().into())
    }
}

fn own_key(path: &Path) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let kept = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Zeroizing::default(),
        Err(error) => return Err(error),
    };
    if let Ok(key) = <[u8; KEY_BYTES]>::try_from(kept.as_slice()) {
        return Ok(Zeroizing::new(key));
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *key).expect("getrandom(2) does not fail once Linux has booted");
    // Half a key never takes the place of one.
    let new = path.with_extension("new");
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(&*key)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::Folder;

    fn token() -> Secret {
        "a refresh token".to_owned().into()
    }

    #[test]
    fn what_is_sealed_is_read_again_by_the_same_key_for_the_same_owner_alone() {
        let folder = Folder::new();
        let vault = Vault::open(&folder, &Secret::default()).unwrap();
        let sealed = vault.seal("ada's", &token());
        assert_ne!(sealed, vault.seal("ada's", &token()), "nobody sees that two are the same");
        assert!(!sealed.windows(7).any(|part| part == b"refresh"));
        let again = Vault::open(&folder, &Secret::default()).unwrap();
        assert!(again.unseal("ada's", &sealed) == Some(token()));
        assert!(again.unseal("bob's", &sealed).is_none());
        let torn = (0..sealed.len()).map(|length| &sealed[..length]);
        assert!(torn.into_iter().all(|torn| again.unseal("ada's", torn).is_none()));
        let mode = fs::metadata(folder.join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for damage in [&b""[..], b"short"] {
            fs::write(folder.join(KEY_FILE), damage).unwrap();
            let other = Vault::open(&folder, &Secret::default()).unwrap();
            assert!(other.unseal("ada's", &sealed).is_none());
        }
    }

    #[test]
    fn a_key_that_was_given_leaves_no_file_behind() {
        let folder = Folder::new();
        let given = Secret::from("0123456789abcdef0123456789abcdef".to_owned());
        let sealed = Vault::open(&folder, &given).unwrap().seal("ada's", &token());
        assert!(Vault::open(&folder, &given).unwrap().unseal("ada's", &sealed) == Some(token()));
        assert!(!folder.join(KEY_FILE).exists());
        assert!(Vault::open(&folder, &Secret::default()).unwrap().unseal("ada's", &sealed).is_none());
    }
}
