//! podyd-helper and a kernel with quotas, as far as podyd can tell: filesystems in memory behind a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use protocol::helper::quota::{
    CountHome, CountedHome, DiskLimits, Failed, FilesystemRecord, Filesystems, FilesystemsReply, HomeOf,
    Homes, HomesReply, LimitsOf, MAX_HOMES, MAX_QUOTAS, QuotaRecord, QuotasReply, Read, Set, SetReply,
    Uncounted,
};
use protocol::helper::{
    MAX_SET_SLICES, MAX_SLICES, ReadSlices, SetSlices, SliceLimits, SliceOf, SliceRecord, SlicesAreSet,
    SlicesReply,
};
use protocol::{Call, Method, Reply};
use serde_json::Value;

/// A filesystem.
#[derive(Default)]
pub struct TestDisk {
    /// What is known of each uid.
    pub quotas: BTreeMap<u32, QuotaRecord>,
    /// How it is mounted.
    pub state: TestState,
}

/// How a filesystem is mounted.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum TestState {
    #[default]
    Enforces,
    /// Without quotas.
    Without,
    /// As XFS does it: there are quotas, and they stay as they are.
    ReadOnly,
    /// Not at all.
    Gone,
}

/// Filesystems by where they are mounted, and all that was ever set.
#[derive(Default)]
pub struct Disks {
    pub disks: BTreeMap<String, TestDisk>,
    pub sets: Vec<(String, LimitsOf)>,
    /// What systemd was told of users' slices.
    pub slices: BTreeMap<u32, SliceLimits>,
    /// Whether systemd does not answer.
    pub is_without_systemd: bool,
    /// How often it was asked how they are.
    pub slice_reads: usize,
    /// Homes that nothing counts, and how many calls it takes to change that; none: it cannot be changed.
    pub uncounted: BTreeMap<String, Option<u32>>,
    /// Whose slices it does not touch.
    pub refused_slices: BTreeSet<u32>,
    /// Whose slices it cannot tell of.
    pub unreadable_slices: BTreeSet<u32>,
    /// Whether it sets slices and never says so.
    pub is_silent_about_slices: bool,
    /// Whether it never says how filesystems are.
    pub is_silent_about_disks: bool,
    /// What else happens while slices are read.
    pub while_slices_are_read: Option<Box<dyn FnOnce() + Send>>,
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
        thread::spawn(move || {
            for stream in listener.incoming() {
                let served = served.clone();
                thread::spawn(move || served.serve(stream.unwrap()));
            }
        });
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

    /// What somebody does with mount(8) or umount(8).
    pub fn mount(&self, path: &str, state: TestState) {
        self.disks().disks.get_mut(path).unwrap().state = state;
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
        let meanwhile = self.disks().while_slices_are_read.take_if(|_| call.method == ReadSlices::NAME);
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        if self.is_silent_about(&call.method) {
            // Until podyd gives up.
            let _ = stream.read(&mut byte);
            return;
        }
        let mut reply = serde_json::to_vec(&Reply { error, parameters }).unwrap();
        reply.push(0);
        // podyd may have given up meanwhile.
        let _ = stream.write_all(&reply);
    }

    fn is_silent_about(&self, method: &str) -> bool {
        let disks = self.disks();
        match method {
            SetSlices::NAME => disks.is_silent_about_slices,
            Filesystems::NAME | Read::NAME => disks.is_silent_about_disks,
            _ => false,
        }
    }

    fn answer(&self, method: &str, parameters: Value) -> Result<Value, protocol::Error> {
        let mut disks = self.disks();
        let reply = match method {
            Filesystems::NAME => serde_json::to_value(disks.filesystems()),
            Read::NAME => serde_json::to_value(disks.read(serde_json::from_value(parameters).unwrap())?),
            SetSlices::NAME => {
                serde_json::to_value(disks.set_slices(serde_json::from_value(parameters).unwrap()))
            }
            ReadSlices::NAME => {
                disks.slice_reads += 1;
                if disks.is_without_systemd {
                    return Err(protocol::Error::Away {
                        message: "systemd does not run this machine".into(),
                    });
                }
                let ReadSlices { from } = serde_json::from_value(parameters).unwrap();
                serde_json::to_value(disks.slices(from))
            }
            Homes::NAME => serde_json::to_value(disks.homes(serde_json::from_value(parameters).unwrap())),
            CountHome::NAME => {
                serde_json::to_value(disks.count(serde_json::from_value(parameters).unwrap())?)
            }
            Set::NAME => serde_json::to_value(disks.set(serde_json::from_value(parameters).unwrap())?),
            other => return Err(protocol::Error::MethodNotFound { message: other.to_owned() }),
        };
        Ok(reply.unwrap())
    }
}

impl TestDisk {
    fn has_quotas(&self) -> bool {
        matches!(self.state, TestState::Enforces | TestState::ReadOnly)
    }

    /// As podyd-helper says it, where the filesystem is as it should not be for what is asked.
    fn objection(&self, path: &str, too_bad: TestState) -> Result<(), protocol::Error> {
        let message = |why| format!("{path}: {why}");
        match self.state {
            TestState::Gone => {
                Err(protocol::Error::NotFound { message: message("nothing is mounted there") })
            }
            TestState::Without => {
                Err(protocol::Error::Conflict { message: message("it is mounted without quotas") })
            }
            state if state == too_bad => {
                Err(protocol::Error::Conflict { message: message("it is mounted read-only") })
            }
            _ => Ok(()),
        }
    }
}

impl Disks {
    fn set_slices(&mut self, SetSlices { slices }: SetSlices) -> SlicesAreSet {
        assert!(slices.len() <= MAX_SET_SLICES);
        let mut reply = SlicesAreSet::default();
        for SliceOf { uid, limits } in slices {
            if self.refused_slices.contains(&uid) {
                reply.failed.push(Failed { uid, why: "not this one".into() });
            } else if self.slices.insert(uid, limits) != Some(limits) {
                reply.changed.push(uid);
            }
        }
        reply
    }

    /// Those that something is known of, with what is limited kept over a boot.
    fn slices(&self, from: u32) -> SlicesReply {
        let record = |(uid, limits): (&u32, &SliceLimits)| {
            let kept = limits.fields().into_iter().filter(|(_, limit)| limit.is_some());
            let kept = kept.map(|(field, _)| field.to_owned()).collect();
            SliceRecord { uid: *uid, limits: *limits, kept }
        };
        let (mut slices, mut failed) = (Vec::new(), Vec::new());
        for (uid, limits) in self.slices.range(from..).take(MAX_SLICES) {
            match self.unreadable_slices.contains(uid) {
                true => failed.push(Failed { uid: *uid, why: "it cannot be read".into() }),
                false => slices.push(record((uid, limits))),
            }
        }
        let next = slices.last().filter(|_| slices.len() == MAX_SLICES).map(|slice| slice.uid + 1);
        SlicesReply { slices, failed, next }
    }

    fn filesystems(&self) -> FilesystemsReply {
        let record = |(path, disk): (&String, &TestDisk)| FilesystemRecord {
            path: path.clone(),
            type_name: if disk.state == TestState::Gone { String::new() } else { "xfs".into() },
            counts: disk.has_quotas(),
            enforces: disk.has_quotas(),
            read_only: disk.state == TestState::ReadOnly,
            trouble: None,
        };
        FilesystemsReply { filesystems: self.disks.iter().map(record).collect() }
    }

    fn read(&self, Read { filesystem, from, only }: Read) -> Result<QuotasReply, protocol::Error> {
        let disk = &self.disks[&filesystem];
        disk.objection(&filesystem, TestState::Without)?;
        if only {
            let quota = QuotaRecord { uid: from, ..QuotaRecord::default() };
            return Ok(QuotasReply { quotas: vec![*disk.quotas.get(&from).unwrap_or(&quota)], next: None });
        }
        let quotas: Vec<_> = disk.quotas.range(from..).take(MAX_QUOTAS).map(|(_, quota)| *quota).collect();
        let next = quotas.last().filter(|_| quotas.len() == MAX_QUOTAS).map(|quota| quota.uid + 1);
        Ok(QuotasReply { quotas, next })
    }

    fn homes(&self, Homes { homes }: Homes) -> HomesReply {
        assert!(homes.len() <= MAX_HOMES);
        let uncounted = |HomeOf { uid, home, .. }: HomeOf| {
            let can_be = self.uncounted.get(&home)?.is_some();
            Some(Uncounted { uid, why: "a reason".into(), can_be })
        };
        HomesReply { uncounted: homes.into_iter().filter_map(uncounted).collect() }
    }

    fn count(&mut self, CountHome { home }: CountHome) -> Result<CountedHome, protocol::Error> {
        let left = self.uncounted.get_mut(&home.home).and_then(Option::as_mut);
        let Some(left) = left else {
            return Err(protocol::Error::Refused { message: "not this one".into() });
        };
        *left = left.saturating_sub(1);
        let done = *left == 0;
        if done {
            self.uncounted.remove(&home.home);
        }
        Ok(CountedHome { done, changed: 10, left: 1 })
    }

    fn set(&mut self, Set { filesystem, limits }: Set) -> Result<SetReply, protocol::Error> {
        assert!(limits.len() <= MAX_QUOTAS);
        let disk = self.disks.get_mut(&filesystem).unwrap();
        disk.objection(&filesystem, TestState::ReadOnly)?;
        for one in limits {
            let quota = QuotaRecord { uid: one.uid, ..QuotaRecord::default() };
            disk.quotas.entry(one.uid).or_insert(quota).limits = one.limits;
            self.sets.push((filesystem.clone(), one));
        }
        Ok(SetReply::default())
    }
}
