//! podyd-helper and a kernel with quotas, as far as podyd can tell: filesystems in memory behind a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use protocol::helper::quota::{
    DiskLimits, FilesystemRecord, Filesystems, FilesystemsReply, LimitsOf, MAX_QUOTAS, QuotaRecord,
    QuotasReply, Read, Set, SetReply,
};
use protocol::helper::{SetSlice, SliceIsSet, SliceLimits};
use protocol::{Call, Method, Reply};
use serde_json::Value;

/// A filesystem.
#[derive(Default)]
pub struct TestDisk {
    /// What is known of each uid.
    pub quotas: BTreeMap<u32, QuotaRecord>,
    /// Whether it is mounted without quotas.
    pub is_without: bool,
}

/// Filesystems by where they are mounted, and all that was ever set.
#[derive(Default)]
pub struct Disks {
    pub disks: BTreeMap<String, TestDisk>,
    pub sets: Vec<(String, LimitsOf)>,
    /// What systemd was told of users' slices.
    pub slices: BTreeMap<u32, SliceLimits>,
    /// Whose slices it does not touch.
    pub refused_slices: BTreeSet<u32>,
}

/// A kernel of a test's own, behind a helper.
#[derive(Clone, Default)]
pub struct TestKernel(Arc<Mutex<Disks>>);

impl TestKernel {
    /// One with these filesystems mounted, whose helper listens there.
    pub fn listening_at(socket: &Path, filesystems: &[&str]) -> Self {
        let kernel = Self::default();
        kernel.disks().disks.extend(filesystems.iter().map(|path| ((*path).to_owned(), TestDisk::default())));
        let (listener, served) = (UnixListener::bind(socket).unwrap(), kernel.clone());
        thread::spawn(move || listener.incoming().for_each(|stream| served.serve(stream.unwrap())));
        kernel
    }

    pub fn disks(&self) -> MutexGuard<'_, Disks> {
        self.0.lock().unwrap()
    }

    /// What a uid may have on a filesystem.
    pub fn limits(&self, path: &str, uid: u32) -> DiskLimits {
        self.disks().disks[path].quotas.get(&uid).map(|quota| quota.limits).unwrap_or_default()
    }

    /// What somebody else than podyd does with setquota(8).
    pub fn set_by_hand(&self, path: &str, uid: u32, limits: DiskLimits) {
        self.change(path, uid, |quota| quota.limits = limits);
    }

    pub fn change(&self, path: &str, uid: u32, change: impl FnOnce(&mut QuotaRecord)) {
        let mut disks = self.disks();
        let disk = disks.disks.get_mut(path).unwrap();
        change(disk.quotas.entry(uid).or_insert(QuotaRecord { uid, ..QuotaRecord::default() }));
    }

    fn serve(&self, mut stream: UnixStream) {
        let (mut frame, mut byte) = (Vec::new(), [0]);
        while stream.read(&mut byte).unwrap() == 1 && byte[0] != 0 {
            frame.push(byte[0]);
        }
        let call: Call<'_> = serde_json::from_slice(&frame).unwrap();
        let (error, parameters) = match self.answer(&call.method, call.parameters) {
            Ok(parameters) => (None, parameters),
            Err(error) => (Some(error.name().to_owned()), error.parameters()),
        };
        let mut reply = serde_json::to_vec(&Reply { error, parameters }).unwrap();
        reply.push(0);
        // podyd may have given up meanwhile.
        let _ = stream.write_all(&reply);
    }

    fn answer(&self, method: &str, parameters: Value) -> Result<Value, protocol::Error> {
        let mut disks = self.disks();
        let reply = match method {
            Filesystems::NAME => serde_json::to_value(disks.filesystems()),
            Read::NAME => serde_json::to_value(disks.read(serde_json::from_value(parameters).unwrap())?),
            SetSlice::NAME => {
                let SetSlice { uid, limits } = serde_json::from_value(parameters).unwrap();
                if disks.refused_slices.contains(&uid) {
                    return Err(protocol::Error::Refused { message: "not this one".into() });
                }
                serde_json::to_value(SliceIsSet { changed: disks.slices.insert(uid, limits) != Some(limits) })
            }
            Set::NAME => serde_json::to_value(disks.set(serde_json::from_value(parameters).unwrap())),
            other => return Err(protocol::Error::MethodNotFound { message: other.to_owned() }),
        };
        Ok(reply.unwrap())
    }
}

impl Disks {
    fn filesystems(&self) -> FilesystemsReply {
        let record = |(path, disk): (&String, &TestDisk)| FilesystemRecord {
            path: path.clone(),
            type_name: "ext4".into(),
            counts: !disk.is_without,
            enforces: !disk.is_without,
            trouble: None,
        };
        FilesystemsReply { filesystems: self.disks.iter().map(record).collect() }
    }

    fn read(&self, Read { filesystem, from, only }: Read) -> Result<QuotasReply, protocol::Error> {
        let disk = &self.disks[&filesystem];
        if disk.is_without {
            return Err(protocol::Error::Conflict { message: format!("{filesystem}: it has no quotas") });
        }
        if only {
            let quota = QuotaRecord { uid: from, ..QuotaRecord::default() };
            return Ok(QuotasReply { quotas: vec![*disk.quotas.get(&from).unwrap_or(&quota)], next: None });
        }
        let quotas: Vec<_> = disk.quotas.range(from..).take(MAX_QUOTAS).map(|(_, quota)| *quota).collect();
        let next = quotas.last().filter(|_| quotas.len() == MAX_QUOTAS).map(|quota| quota.uid + 1);
        Ok(QuotasReply { quotas, next })
    }

    fn set(&mut self, Set { filesystem, limits }: Set) -> SetReply {
        assert!(limits.len() <= MAX_QUOTAS);
        let disk = self.disks.get_mut(&filesystem).unwrap();
        for one in limits {
            let quota = QuotaRecord { uid: one.uid, ..QuotaRecord::default() };
            disk.quotas.entry(one.uid).or_insert(quota).limits = one.limits;
            self.sets.push((filesystem.clone(), one));
        }
        SetReply::default()
    }
}
