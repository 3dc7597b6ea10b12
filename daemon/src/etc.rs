//! `/etc/passwd` and `/etc/group`, read directly (never through NSS, which would lead back to us) and watched.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::sync::Notify;

use crate::directory::LocalAccounts;

const DIRECTORY: &str = "/etc";
const FILES: [&str; 2] = ["passwd", "group"];

/// Reads both files. One that is missing holds nobody; one that cannot be read is an error, since what it
/// holds must be known before an id is given out.
pub fn local_accounts() -> io::Result<LocalAccounts> {
    let read = |name| match std::fs::read(Path::new(DIRECTORY).join(name)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    };
    Ok(LocalAccounts::parse(&read(FILES[0])?, &read(FILES[1])?))
}

/// Tells `changed` whenever one of the two files may have changed, from a thread of its own, which sleeps in
/// the kernel. useradd and its kin write a new file and rename it, so the directory is what is watched.
pub fn watch(changed: Arc<Notify>) -> io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    let written = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
    inotify.add_watch(DIRECTORY, written)?;
    thread::Builder::new().name("watch-etc".into()).spawn(move || follow(&inotify, &changed))?;
    Ok(())
}

fn follow(inotify: &Inotify, changed: &Notify) {
    // An event without a name says that events were lost.
    let ours =
        |name: &Option<OsString>| name.as_ref().is_none_or(|name| FILES.iter().any(|file| name == file));
    loop {
        match inotify.read_events() {
            Ok(events) if events.iter().any(|event| ours(&event.name)) => changed.notify_one(),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => {
                return tracing::error!(%error, "{DIRECTORY} is watched no more, but read once a minute");
            }
        }
    }
}
