//! Reads an htpasswd file when nobody is writing it. What it says is not known here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits::MAX_HTPASSWD_BYTES;

/// How long a file must have stayed as it was read. htpasswd(1) empties the file and writes it anew, and editors move it
/// out of the way first: both take far less.
const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// How often a file that changes meanwhile is read again.
const TRIES: u32 = 50;

/// Anybody who may write the file can make users.
const WRITABLE_BY_ANYBODY: u32 = 0o002;

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of the file now; none: it is not there.
    pub fn now(path: &Path) -> Option<Self> {
        let status = fs::metadata(path).ok()?;
        Some(Self {
            device: status.dev(),
            inode: status.ino(),
            size: status.size(),
            modified: (status.mtime(), status.mtime_nsec()),
            changed: (status.ctime(), status.ctime_nsec()),
        })
    }
}

/// Reads the file as it is when it has been left alone for a moment.
pub async fn read_settled(path: &Path) -> (io::Result<Vec<u8>>, Option<Stamp>) {
    read_unchanged(path, async || tokio::time::sleep(SETTLED_AFTER).await).await
}

/// Reads the file until it is, after a moment, still the one that was read.
async fn read_unchanged(path: &Path, mut moment: impl AsyncFnMut()) -> (io::Result<Vec<u8>>, Option<Stamp>) {
    for _ in 0..TRIES {
        let before = Stamp::now(path);
        let content = read(path.to_owned()).await;
        moment().await;
        if Stamp::now(path) == before {
            return (content, before);
        }
    }
    (Err(io::Error::other("it is being written all the time")), None)
}

/// Somewhere else: the file may be on a slow disk.
async fn read(path: PathBuf) -> io::Result<Vec<u8>> {
    tokio::task::spawn_blocking(move || read_now(&path)).await.map_err(io::Error::other)?
}

fn read_now(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for somebody who writes into it.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if status.mode() & WRITABLE_BY_ANYBODY != 0 {
        return Err(io::Error::other("anybody may write it, and so make users; take that away: chmod o-w"));
    }
    let mut text = Vec::new();
    file.take(MAX_HTPASSWD_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_HTPASSWD_BYTES {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_HTPASSWD_BYTES >> 20)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    /// htpasswd(1) empties the file and writes line after line; others take it away first.
    #[tokio::test]
    async fn a_file_that_is_being_written_is_waited_for() {
        let folder = Folder::new();
        let file = folder.join("htpasswd");
        let mut steps = ["ada:x\n", "ada:x\nbob:", "ada:x\nbob:x\n"].into_iter();
        let (content, stamp) = read_unchanged(&file, async || {
            if let Some(text) = steps.next() {
                fs::write(&file, text).unwrap();
            }
        })
        .await;
        assert_eq!((content.unwrap(), stamp), (b"ada:x\nbob:x\n".to_vec(), Stamp::now(&file)));
    }

    #[tokio::test]
    async fn a_file_that_is_written_for_ever_is_given_up() {
        let folder = Folder::new();
        let (file, mut text) = (folder.join("htpasswd"), String::new());
        let write = async || {
            text.push('#');
            fs::write(&file, &text).unwrap();
        };
        let (content, _) = read_unchanged(&file, write).await;
        assert!(content.unwrap_err().to_string().contains("all the time"));
        fs::remove_file(&file).unwrap();
        let (content, stamp) = read_unchanged(&file, async || {}).await;
        assert_eq!((content.unwrap_err().kind(), stamp), (io::ErrorKind::NotFound, None));
    }
}
