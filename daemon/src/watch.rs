//! Tells when one of a few files in a directory may have changed, from a thread that sleeps in the kernel. Who is told
//! reads the files, and looks from time to time in any case: a directory that is replaced is watched no more.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::sync::Notify;

/// Tells `changed` of files with these names. Programs write a new file and rename it, so the directory is what is
/// watched.
pub fn files(directory: &Path, names: &[OsString], changed: Arc<Notify>) -> io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    let written = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE;
    // A file may be there and not be readable yet.
    inotify.add_watch(directory, written | AddWatchFlags::IN_ATTRIB)?;
    let (directory, names) = (directory.to_owned(), names.to_owned());
    thread::Builder::new()
        .name("watch".into())
        .spawn(move || follow(&inotify, &directory, &names, &changed))?;
    Ok(())
}

fn follow(inotify: &Inotify, directory: &Path, names: &[OsString], changed: &Notify) {
    // An event without a name says that events were lost.
    let ours = |name: &Option<OsString>| name.as_ref().is_none_or(|name| names.contains(name));
    loop {
        match inotify.read_events() {
            Ok(events) if events.iter().any(|event| ours(&event.name)) => changed.notify_one(),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => {
                let directory = directory.display();
                return tracing::error!(%error, "{directory} is watched no more, but looked at once a minute");
            }
        }
    }
}
