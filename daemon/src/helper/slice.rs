//! The limits of a user's slice: systemd is told what they are, and writes drop-ins of its own that hold after every boot
//! (`/etc/systemd/system.control`). What is in force already is left alone, and what Pody has no limit for any more is kept
//! no longer: systemd has no call for that, and so these files, of its own naming, are removed.
//!
//! Some are set by one call, over one connection: a policy of a hundred people is to be in force within a second.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use protocol::Error;
use protocol::helper::quota::Failed;
use protocol::helper::{
    MAX_SET_SLICES, MAX_SLICES, ReadSlices, SetSlices, SliceLimits, SliceOf, SliceRecord, SlicesAreSet,
    SlicesReply,
};
use zbus::wire::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use super::bus::{self, Bus, Service};
use super::dispatch::Handle;
use super::limits::BUS_ANSWERS;
use super::{Node, failed, invalid};
use crate::quota::Field;

const SYSTEMD: Service = Service {
    name: "org.freedesktop.systemd1",
    manager: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
const SLICE: &str = "org.freedesktop.systemd1.Slice";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What a slice has, of what are numbers.
type Properties = HashMap<String, u64>;

/// A user who has no limits of their own, and so those that everybody has (user-.slice.d).
const ANYBODY: u32 = 4_294_967_294;

/// Where systemd writes down what it was told to keep.
const KEPT: &str = "/etc/systemd/system.control";

/// Whoever sets slices has it: a call that podyd has given up must not come behind a later one.
static TURN: Mutex<()> = Mutex::new(());

/// Whose slices there were when the first page was read; the others are cut from the same list.
static LISTED: Mutex<Option<BTreeSet<u32>>> = Mutex::new(None);

/// What a limit is called by Pody, by systemd on the bus, and by systemd in a file.
struct Setting {
    field: &'static str,
    property: &'static str,
    name: &'static str,
}

const SETTINGS: [Setting; 5] = [
    Setting { field: "memory_max", property: "MemoryMax", name: "MemoryMax" },
    Setting { field: "memory_high", property: "MemoryHigh", name: "MemoryHigh" },
    Setting { field: "cpu_quota", property: "CPUQuotaPerSecUSec", name: "CPUQuota" },
    Setting { field: "tasks_max", property: "TasksMax", name: "TasksMax" },
    Setting { field: "io_weight", property: "IOWeight", name: "IOWeight" },
];

/// systemd counts a processor's time in microseconds for each second.
const MICROSECONDS_A_PERCENT: u64 = 10_000;

impl Handle for SetSlices {
    fn handle(self, node: &Node) -> Result<SlicesAreSet, Error> {
        if self.slices.len() > MAX_SET_SLICES {
            return Err(invalid("slices", format!("are more than {MAX_SET_SLICES}: take fewer at a time")));
        }
        let mut refused = Vec::new();
        let is_in_order = |SliceOf { uid, limits }: &SliceOf| {
            let objection = node.uid(*uid).and_then(|_| check(limits)).err();
            refused.extend(objection.iter().map(|why| Failed { uid: *uid, why: why.to_string() }));
            objection.is_none()
        };
        let slices: Vec<_> = self.slices.into_iter().filter(is_in_order).collect();
        let mut reply = SlicesAreSet::default();
        if !slices.is_empty() {
            needs_systemd()?;
            let until = Instant::now() + BUS_ANSWERS;
            reply = bus::ask(move |bus| set_all(bus, &slices, until))?;
        }
        reply.failed.extend(refused);
        Ok(reply)
    }
}

impl Handle for ReadSlices {
    fn handle(self, node: &Node) -> Result<SlicesReply, Error> {
        needs_systemd()?;
        let mut listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
        let (uids, next) = page(&mut listed, self.from, || whose(node))?;
        drop(listed);
        let (slices, failed) = bus::ask(move |bus| read_all(bus, &uids))?;
        Ok(SlicesReply { slices, failed, next })
    }
}

/// Whose slices are up or kept.
fn whose(node: &Node) -> Result<BTreeSet<u32>, Error> {
    let kept = units_kept(Path::new(KEPT)).map_err(|error| failed(format!("{KEPT}: {error}")))?;
    let units = bus::ask(units_up)?.into_iter().chain(kept);
    Ok(units.filter_map(|unit| uid_of(&unit)).filter(|uid| node.uid(*uid).is_ok()).collect())
}

/// Some of those that are listed, and where to go on. They are listed anew for the first page alone: listing has systemd look at
/// every unit.
fn page(
    listed: &mut Option<BTreeSet<u32>>,
    from: u32,
    list: impl FnOnce() -> Result<BTreeSet<u32>, Error>,
) -> Result<(Vec<u32>, Option<u32>), Error> {
    let uids = match listed.take() {
        Some(uids) if from > 0 => uids,
        _ => list()?,
    };
    let mut rest = uids.range(from..).copied();
    let page = rest.by_ref().take(MAX_SLICES).collect();
    let next = rest.next();
    *listed = Some(uids);
    Ok((page, next))
}

fn needs_systemd() -> Result<(), Error> {
    match bus::has_systemd() {
        true => Ok(()),
        false => {
            Err(Error::Away { message: "systemd does not run this machine: there are no slices".into() })
        }
    }
}

fn unit(uid: u32) -> String {
    format!("user-{uid}.slice")
}

/// Whose slice a unit is, if it is somebody's.
fn uid_of(name: &str) -> Option<u32> {
    let uid = name.strip_prefix("user-")?.strip_suffix(".slice")?.parse().ok()?;
    (unit(uid) == name).then_some(uid)
}

fn check(limits: &SliceLimits) -> Result<(), Error> {
    let is_wrong = |(name, value): &(&'static str, Option<u64>)| {
        let field = name.parse::<Field>();
        value.is_some_and(|value| !field.is_ok_and(|field| (field.least()..=field.most()).contains(&value)))
    };
    match limits.fields().into_iter().find(is_wrong) {
        None => Ok(()),
        Some((field, _)) => Err(invalid(field, "is more or less than a slice can have")),
    }
}

/// What it takes to take limits back.
#[derive(Default)]
struct TakenBack {
    /// What a slice usually has, looked at once.
    usual: Option<Properties>,
    /// Whether systemd has to read its files again, since an admin's own say what a slice has.
    must_reload: bool,
}

/// One that systemd refuses keeps it from no other. Nothing is begun when nobody waits for it any more.
fn set_all(bus: &Bus, slices: &[SliceOf], until: Instant) -> zbus::Result<SlicesAreSet> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut reply, mut back) = (SlicesAreSet::default(), TakenBack::default());
    for SliceOf { uid, limits } in slices {
        if Instant::now() >= until {
            reply.failed.push(Failed { uid: *uid, why: "there was no time for it".into() });
            continue;
        }
        let outcome = match set(bus, *uid, limits, &mut back) {
            Ok(changed) => forget(Path::new(KEPT), &unit(*uid), limits).map(|forgotten| changed || forgotten),
            Err(error @ zbus::Error::MethodError(..)) => Err(format!("systemd, over D-Bus: {error}")),
            Err(error) => return Err(error),
        };
        match outcome {
            Ok(changed) => reply.changed.extend(changed.then_some(*uid)),
            Err(why) => reply.failed.push(Failed { uid: *uid, why }),
        }
    }
    if back.must_reload {
        bus.manage(SYSTEMD, "Reload", &())?;
    }
    Ok(reply)
}

/// Sets what differs, and says whether anything did. Of what is taken back, an admin's own files have the say, and where there are
/// none, what is usual.
fn set(bus: &Bus, uid: u32, limits: &SliceLimits, back: &mut TakenBack) -> zbus::Result<bool> {
    let (unit, now) = (unit(uid), properties(bus, uid)?);
    let is_written = |setting: &str| drop_in(Path::new(KEPT), &unit, setting).exists();
    let mut fields = SETTINGS.iter().zip(limits.fields());
    let takes_back = fields.any(|(setting, (_, wanted))| wanted.is_none() && is_written(setting.name));
    let is_an_admins = takes_back && drop_ins(bus, uid)?.iter().any(|file| is_an_admins(file, &unit));
    back.must_reload |= is_an_admins;
    if takes_back && !is_an_admins && back.usual.is_none() {
        back.usual = Some(properties(bus, ANYBODY)?);
    }
    let usual = back.usual.as_ref().filter(|_| !is_an_admins);
    let changes = changes(limits, &now, usual.unwrap_or(&Properties::new()), is_written);
    if changes.is_empty() {
        return Ok(false);
    }
    let changes: Vec<_> = changes.into_iter().map(|(name, value)| (name, Variant::U64(value))).collect();
    bus.manage(SYSTEMD, "SetUnitProperties", &(unit, false, changes))?;
    Ok(true)
}

/// The files that say something of a slice, by their paths.
fn drop_ins(bus: &Bus, uid: u32) -> zbus::Result<Vec<String>> {
    let files = bus.call(SYSTEMD, &object(uid)?, (PROPERTIES, "Get"), &(UNIT, "DropInPaths"))?;
    let files: OwnedVariant = files.body().deserialize()?;
    Vec::try_from(files)
}

/// Whether a file is about this unit alone, and not one that systemd was told to keep.
fn is_an_admins(file: &str, unit: &str) -> bool {
    let directory = Path::new(file).parent();
    let is_of_unit = directory.and_then(Path::file_name).is_some_and(|name| *name == *format!("{unit}.d"));
    is_of_unit && !Path::new(file).starts_with(KEPT)
}

/// Users' slices with processes in them.
fn units_up(bus: &Bus) -> zbus::Result<Vec<String>> {
    type Unit =
        (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);
    let patterns = (["active"].as_slice(), ["user-*.slice"].as_slice());
    let units: Vec<Unit> = bus.manage(SYSTEMD, "ListUnitsByPatterns", &patterns)?.body().deserialize()?;
    Ok(units.into_iter().map(|unit| unit.0).collect())
}

/// One that systemd cannot tell of keeps it from no other.
fn read_all(bus: &Bus, uids: &[u32]) -> zbus::Result<(Vec<SliceRecord>, Vec<Failed>)> {
    let mut unread = Vec::new();
    let slices = uids.iter().filter_map(|uid| readable(*uid, read(bus, *uid), &mut unread).transpose());
    let slices = slices.collect::<zbus::Result<_>>()?;
    Ok((slices, unread))
}

/// What was read, if it was: an error that systemd answers with is about one slice alone.
fn readable<T>(uid: u32, outcome: zbus::Result<T>, unread: &mut Vec<Failed>) -> zbus::Result<Option<T>> {
    match outcome {
        Err(error @ zbus::Error::MethodError(..)) => {
            unread.push(Failed { uid, why: format!("systemd, over D-Bus: {error}") });
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

fn read(bus: &Bus, uid: u32) -> zbus::Result<SliceRecord> {
    let unit = unit(uid);
    let is_kept = |setting: &Setting| drop_in(Path::new(KEPT), &unit, setting.name).exists();
    let kept = SETTINGS.iter().filter(|setting| is_kept(setting)).map(|setting| setting.field.to_owned());
    Ok(SliceRecord { uid, limits: limits_of(&properties(bus, uid)?), kept: kept.collect() })
}

/// In Pody's words; systemd's largest number is no limit.
fn limits_of(properties: &Properties) -> SliceLimits {
    let of = |property| properties.get(property).copied().filter(|value| *value != u64::MAX);
    let percent = |time: u64| u32::try_from(time.div_ceil(MICROSECONDS_A_PERCENT)).ok();
    SliceLimits {
        memory_max: of("MemoryMax"),
        memory_high: of("MemoryHigh"),
        cpu_quota: of("CPUQuotaPerSecUSec").and_then(percent),
        tasks_max: of("TasksMax"),
        io_weight: of("IOWeight").and_then(|weight| u16::try_from(weight).ok()),
    }
}

/// What a slice has. systemd loads the unit of an object that is asked for, by its own spelling.
fn properties(bus: &Bus, uid: u32) -> zbus::Result<Properties> {
    let all = bus.call(SYSTEMD, &object(uid)?, (PROPERTIES, "GetAll"), &(SLICE,))?;
    let all: HashMap<String, OwnedVariant> = all.body().deserialize()?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, u64::try_from(&value).ok()?))).collect())
}

fn object(uid: u32) -> zbus::Result<ObjectPath<'static>> {
    ObjectPath::try_from(format!("/org/freedesktop/systemd1/unit/user_2d{uid}_2eslice"))
}

fn drop_in(kept: &Path, unit: &str, setting: &str) -> PathBuf {
    kept.join(format!("{unit}.d/50-{setting}.conf"))
}

/// Units of which systemd keeps anything.
fn units_kept(kept: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(kept) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names: Vec<String> = entries
        .map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()))
        .collect::<io::Result<_>>()?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(".d")).map(str::to_owned).collect())
}

/// Has systemd keep nothing that is not wanted, and says whether it did. What is in force until the next boot it knows by itself.
fn forget(kept: &Path, unit: &str, limits: &SliceLimits) -> Result<bool, String> {
    let mut forgot = false;
    for (setting, (_, wanted)) in SETTINGS.iter().zip(limits.fields()) {
        let file = drop_in(kept, unit, setting.name);
        if wanted.is_some() || !file.exists() {
            continue;
        }
        fs::remove_file(&file).map_err(|error| format!("{} cannot be removed: {error}", file.display()))?;
        forgot = true;
    }
    if forgot {
        // It may have others.
        let _ = fs::remove_dir(kept.join(format!("{unit}.d")));
    }
    Ok(forgot)
}

/// What to tell systemd, which says what a slice has now and what is usual, and has written down which settings it was told.
fn changes(
    limits: &SliceLimits,
    now: &Properties,
    usual: &Properties,
    is_written: impl Fn(&str) -> bool,
) -> Vec<(&'static str, u64)> {
    let mut changes = Vec::new();
    for (Setting { field, property, name }, (_, wanted)) in SETTINGS.iter().zip(limits.fields()) {
        let factor = if *field == "cpu_quota" { MICROSECONDS_A_PERCENT } else { 1 };
        let taken_back = || is_written(name).then(|| usual.get(*property).copied()).flatten();
        let value = wanted.map(|wanted| wanted * factor).or_else(taken_back);
        changes
            .extend(value.filter(|value| now.get(*property) != Some(value)).map(|value| (*property, value)));
    }
    changes
}

#[cfg(test)]
mod tests;
