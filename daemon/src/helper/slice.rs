//! The limits of a user's slice: systemd is told what they are, and writes drop-ins of its own that hold after every boot
//! (`/etc/systemd/system.control`). What is in force already is left alone, and what Pody has no limit for any more is kept
//! no longer: systemd has no call for that, and so these files, of its own naming, are removed.
//!
//! Some are set by one call, over one connection: a policy of a hundred people is to be in force within a second.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use protocol::Error;
use protocol::helper::quota::Failed;
use protocol::helper::{
    MAX_SET_SLICES, MAX_SLICES, ReadSlices, SetSlices, SliceLimits, SliceOf, SliceRecord, SlicesAreSet,
    SlicesReply,
};
use zbus::wire::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use super::bus::{self, Bus, Service};
use super::dispatch::Handle;
use super::{Node, failed, invalid};

const SYSTEMD: Service = Service {
    name: "org.freedesktop.systemd1",
    manager: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
const SLICE: &str = "org.freedesktop.systemd1.Slice";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What a slice has, of what are numbers.
type Properties = HashMap<String, u64>;

/// A user who has no limits of their own, and so those that everybody has (user-.slice.d).
const ANYBODY: u32 = 4_294_967_294;

/// Where systemd writes down what it was told to keep.
const KEPT: &str = "/etc/systemd/system.control";

/// Less would not let anybody log in, to see why.
const MEMORY: RangeInclusive<u64> = 16 * 1024 * 1024..=1 << 50;
const TASKS: RangeInclusive<u64> = 8..=1 << 22;
const CPU_PERCENT: RangeInclusive<u32> = 1..=1_000_000;
const IO_WEIGHT: RangeInclusive<u16> = 1..=10_000;

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
            reply = bus::ask(move |bus| set_all(bus, &slices))?;
        }
        reply.failed.extend(refused);
        Ok(reply)
    }
}

impl Handle for ReadSlices {
    fn handle(self, node: &Node) -> Result<SlicesReply, Error> {
        needs_systemd()?;
        let kept = units_kept(Path::new(KEPT)).map_err(|error| failed(format!("{KEPT}: {error}")))?;
        let units = bus::ask(units_up)?.into_iter().chain(kept);
        let uids: BTreeSet<u32> = units
            .filter_map(|unit| uid_of(&unit))
            .filter(|uid| *uid >= self.from && node.uid(*uid).is_ok())
            .collect();
        let next = uids.iter().nth(MAX_SLICES).copied();
        let uids = uids.into_iter().take(MAX_SLICES);
        let slices = bus::ask(move |bus| uids.map(|uid| read(bus, uid)).collect())?;
        Ok(SlicesReply { slices, next })
    }
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
    fn within<T: PartialOrd + Copy>(value: Option<T>, range: RangeInclusive<T>) -> bool {
        value.is_none_or(|value| range.contains(&value))
    }
    let fields = [
        ("memory_max", within(limits.memory_max, MEMORY)),
        ("memory_high", within(limits.memory_high, MEMORY)),
        ("cpu_quota", within(limits.cpu_quota, CPU_PERCENT)),
        ("tasks_max", within(limits.tasks_max, TASKS)),
        ("io_weight", within(limits.io_weight, IO_WEIGHT)),
    ];
    match fields.into_iter().find(|(_, is_within)| !is_within) {
        None => Ok(()),
        Some((field, _)) => Err(invalid(field, "is more or less than a slice can have")),
    }
}

/// One that systemd refuses keeps it from no other.
fn set_all(bus: &Bus, slices: &[SliceOf]) -> zbus::Result<SlicesAreSet> {
    let (mut reply, mut usual) = (SlicesAreSet::default(), None);
    for SliceOf { uid, limits } in slices {
        let outcome = match set(bus, *uid, limits, &mut usual) {
            Ok(changed) => forget(Path::new(KEPT), &unit(*uid), limits).map(|forgotten| changed || forgotten),
            Err(error @ zbus::Error::MethodError(..)) => Err(format!("systemd, over D-Bus: {error}")),
            Err(error) => return Err(error),
        };
        match outcome {
            Ok(changed) => reply.changed.extend(changed.then_some(*uid)),
            Err(why) => reply.failed.push(Failed { uid: *uid, why }),
        }
    }
    Ok(reply)
}

/// Sets what differs, and says whether anything did. What is usual is looked at once, where anything is taken back.
fn set(bus: &Bus, uid: u32, limits: &SliceLimits, usual: &mut Option<Properties>) -> zbus::Result<bool> {
    let (unit, now) = (unit(uid), properties(bus, uid)?);
    let is_written = |setting: &str| drop_in(Path::new(KEPT), &unit, setting).exists();
    let mut fields = SETTINGS.iter().zip(limits.fields());
    if usual.is_none() && fields.any(|(setting, (_, wanted))| wanted.is_none() && is_written(setting.name)) {
        *usual = Some(properties(bus, ANYBODY)?);
    }
    let changes = changes(limits, &now, usual.as_ref().unwrap_or(&Properties::new()), is_written);
    if changes.is_empty() {
        return Ok(false);
    }
    let changes: Vec<_> = changes.into_iter().map(|(name, value)| (name, Variant::U64(value))).collect();
    bus.manage(SYSTEMD, "SetUnitProperties", &(unit, false, changes))?;
    Ok(true)
}

/// Users' slices with processes in them.
fn units_up(bus: &Bus) -> zbus::Result<Vec<String>> {
    type Unit =
        (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);
    let patterns = (["active"].as_slice(), ["user-*.slice"].as_slice());
    let units: Vec<Unit> = bus.manage(SYSTEMD, "ListUnitsByPatterns", &patterns)?.body().deserialize()?;
    Ok(units.into_iter().map(|unit| unit.0).collect())
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
    let path = format!("/org/freedesktop/systemd1/unit/user_2d{uid}_2eslice");
    let path = ObjectPath::try_from(path)?;
    let all = bus.call(SYSTEMD, &path, (PROPERTIES, "GetAll"), &(SLICE,))?;
    let all: HashMap<String, OwnedVariant> = all.body().deserialize()?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, u64::try_from(&value).ok()?))).collect())
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
mod tests {
    use super::*;
    use crate::testing::Folder;

    const LIMITS: SliceLimits = SliceLimits {
        memory_max: Some(1 << 30),
        memory_high: Some(1 << 29),
        cpu_quota: Some(150),
        tasks_max: Some(100),
        io_weight: Some(50),
    };

    const NONE: u64 = u64::MAX;

    fn properties(values: [u64; 5]) -> Properties {
        let names = ["MemoryMax", "MemoryHigh", "CPUQuotaPerSecUSec", "TasksMax", "IOWeight"];
        names.map(str::to_owned).into_iter().zip(values).collect()
    }

    #[test]
    fn only_what_differs_is_set() {
        let usual = properties([NONE, NONE, NONE, 4711, NONE]);
        let all = [
            ("MemoryMax", 1 << 30),
            ("MemoryHigh", 1 << 29),
            ("CPUQuotaPerSecUSec", 1_500_000),
            ("TasksMax", 100),
            ("IOWeight", 50),
        ];
        assert_eq!(changes(&LIMITS, &usual, &usual, |_| false), all);
        let now = properties([1 << 30, 1 << 28, 1_500_000, 100, 50]);
        assert_eq!(changes(&LIMITS, &now, &usual, |_| true), [("MemoryHigh", 1 << 29)]);
    }

    #[test]
    fn what_pody_has_set_is_taken_back_and_nothing_else() {
        let none = SliceLimits::default();
        let usual = properties([1 << 40, NONE, NONE, 4711, NONE]);
        let now = properties([1 << 30, 1 << 29, 1_500_000, 100, NONE]);
        assert!(changes(&none, &now, &usual, |_| false).is_empty());
        let back =
            [("MemoryMax", 1 << 40), ("MemoryHigh", NONE), ("CPUQuotaPerSecUSec", NONE), ("TasksMax", 4711)];
        assert_eq!(changes(&none, &now, &usual, |_| true), back);
        assert!(changes(&none, &usual, &usual, |_| true).is_empty(), "it was already");
    }

    #[test]
    fn a_limit_that_would_lock_everybody_out_is_refused() {
        assert!(check(&LIMITS).is_ok() && check(&SliceLimits::default()).is_ok());
        for wrong in [
            SliceLimits { memory_max: Some(1), ..LIMITS },
            SliceLimits { memory_high: Some(u64::MAX), ..LIMITS },
            SliceLimits { cpu_quota: Some(0), ..LIMITS },
            SliceLimits { tasks_max: Some(1), ..LIMITS },
            SliceLimits { io_weight: Some(0), ..LIMITS },
        ] {
            assert!(matches!(check(&wrong), Err(Error::InvalidInput { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_read_is_what_was_set() {
        let now = properties([1 << 30, 1 << 29, 1_500_000, 100, 50]);
        assert_eq!(limits_of(&now), LIMITS);
        assert_eq!(limits_of(&properties([NONE; 5])), SliceLimits::default());
        let by_hand = properties([NONE, NONE, 1_500_001, NONE, NONE]);
        assert_eq!(limits_of(&by_hand).cpu_quota, Some(151), "never what it was to be");
        for (setting, (field, _)) in SETTINGS.iter().zip(LIMITS.fields()) {
            assert_eq!(setting.field, field);
        }
    }

    #[test]
    fn systemd_keeps_nothing_that_nobody_wants_any_more() {
        let kept = Folder::new();
        let unit = unit(1_900_000_007);
        let files = || units_kept(&kept).unwrap();
        assert!(units_kept(&kept.join("nowhere")).unwrap().is_empty());
        let directory = kept.subfolder(&format!("{unit}.d"));
        for name in ["50-MemoryMax.conf", "50-CPUQuota.conf", "50-TasksMax.conf"] {
            fs::write(directory.join(name), "").unwrap();
        }
        let memory = SliceLimits { memory_max: Some(1 << 30), ..SliceLimits::default() };
        assert_eq!(forget(&kept, &unit, &memory), Ok(true));
        assert_eq!(forget(&kept, &unit, &memory), Ok(false));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        assert_eq!(files(), std::slice::from_ref(&unit));
        assert_eq!(forget(&kept, &unit, &SliceLimits::default()), Ok(true));
        assert!(files().is_empty(), "nor is an empty directory left");
        kept.subfolder("ssh.service.d");
        fs::write(kept.subfolder(&format!("{unit}.d")).join("10-own.conf"), "").unwrap();
        assert_eq!(forget(&kept, &unit, &SliceLimits::default()), Ok(false), "which is an admin's");
    }

    #[test]
    fn a_slice_is_somebodys_by_one_name_alone() {
        assert_eq!(uid_of("user-1900000007.slice"), Some(1_900_000_007));
        for name in [
            "user.slice",
            "user-.slice",
            "user-07.slice",
            "user-+7.slice",
            "user--1.slice",
            "user-4294967296.slice",
            "user-7-x.slice",
            "user-7.slice.d",
            "user-7.service",
            "xuser-7.slice",
        ] {
            assert_eq!(uid_of(name), None, "{name}");
        }
    }
}
