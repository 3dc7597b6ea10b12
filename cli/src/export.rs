//! `podyctl user export`: everything as JSON Lines, to be kept as a backup or imported elsewhere.
//!
//! One user a line, as `org.pody.Directory.Export` has them, then one group a line with its members.
//! The memberships come out of the users' records, so that no reply of podyd's has to hold all members
//! of a large group.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use protocol::directory::{Export, ExportedUser, GroupRecord};
use serde::Serialize;

use crate::daemon::{Daemon, pages};
use crate::{Code, Failure, Result, Session, group};

#[derive(Serialize)]
struct GroupLine {
    group: GroupRecord,
}

/// Writes everything to a file that only its owner may read, or to standard output.
pub fn run(file: Option<&Path>, force: bool, session: &mut Session<'_>) -> Result<()> {
    let mut daemon = Daemon::connect(&session.socket)?;
    let Some(file) = file else {
        return write(&mut daemon, session.output.writer()).map(drop);
    };
    let taken = fs::symlink_metadata(file).is_ok();
    if taken && !force {
        return Err(Failure::new(
            Code::Conflict,
            format_args!("{} exists; add --force to replace it", file.display()),
        ));
    }
    let count = write_file(&mut daemon, file)?;
    session.output.remark(&format!("{count} users and groups are in {}", file.display()));
    Ok(())
}

/// Writes beside the file and renames: what stands under its name is complete.
fn write_file(daemon: &mut Daemon, file: &Path) -> Result<u64> {
    let failed = |error: io::Error| {
        Failure::new(Code::Failed, format_args!("cannot write {}: {error}", file.display()))
    };
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    // What a run left that was interrupted is worth nothing.
    let _ = fs::remove_file(&unfinished);
    let opened =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
    let mut writer = BufWriter::new(opened);
    let written = write(daemon, &mut writer).and_then(|count| {
        let opened = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        opened.sync_all().and_then(|()| fs::rename(&unfinished, file)).map_err(failed)?;
        Ok(count)
    });
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Writes the lines and says how many there were.
fn write(daemon: &mut Daemon, writer: &mut dyn Write) -> Result<u64> {
    let mut count = 0;
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let page = |after| {
        let reply = daemon.call(&Export { after, limit: None })?;
        Ok((reply.users, reply.more))
    };
    pages(
        page,
        |exported: &ExportedUser| exported.user.name.clone(),
        |users| {
            count += users.len() as u64;
            users.into_iter().try_for_each(|exported| {
                line(writer, &exported)?;
                for group in exported.user.groups {
                    members.entry(group).or_default().push(exported.user.name.clone());
                }
                Ok(())
            })
        },
    )?;
    group::each_page(daemon, false, |groups| {
        count += groups.len() as u64;
        groups.into_iter().try_for_each(|mut group| {
            group.members = members.remove(&group.name).unwrap_or_default();
            line(writer, &GroupLine { group })
        })
    })?;
    Ok(count)
}

fn line(writer: &mut dyn Write, record: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *writer, record).map_err(io::Error::from).map_err(Failure::of_writing)?;
    writer.write_all(b"\n").map_err(Failure::of_writing)
}
