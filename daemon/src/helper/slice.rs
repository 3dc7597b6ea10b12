//! The limits of a user's slice: systemd is told what they are, and writes drop-ins of its own that hold after every boot
//! (`/etc/systemd/system.control`). What is in force already is left alone.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use protocol::Error;
use protocol::helper::{SetSlice, SliceIsSet, SliceLimits};
use zbus::wire::{OwnedObjectPath, OwnedVariant, Variant};

use super::bus::{self, Bus, Service};
use super::dispatch::Handle;
use super::{Node, invalid};

const SYSTEMD: Service = Service {
    name: "org.freedesktop.systemd1",
    manager: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
const SLICE: &str = "org.freedesktop.systemd1.Slice";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A user who has no limits of their own, and so those that everybody has (user-.slice.d).
const ANYBODY: &str = "user-4294967294.slice";

/// Less would not let anybody log in, to see why.
const MEMORY: RangeInclusive<u64> = 16 * 1024 * 1024..=1 << 50;
const TASKS: RangeInclusive<u64> = 8..=1 << 22;
const CPU_PERCENT: RangeInclusive<u32> = 1..=1_000_000;
const IO_WEIGHT: RangeInclusive<u16> = 1..=10_000;

impl Handle for SetSlice {
    fn handle(self, node: &Node) -> Result<SliceIsSet, Error> {
        let unit = format!("user-{}.slice", node.uid(self.uid)?);
        check(&self.limits)?;
        if !bus::has_systemd() {
            return Err(Error::Away {
                message: "systemd does not run this machine: there are no slices".into(),
            });
        }
        let limits = self.limits;
        let changed = bus::ask(move |bus| set(bus, &unit, limits))?;
        Ok(SliceIsSet { changed })
    }
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

/// Sets what differs, and says whether anything did.
fn set(bus: &Bus, unit: &str, limits: SliceLimits) -> zbus::Result<bool> {
    let (now, usual) = (properties(bus, unit)?, properties(bus, ANYBODY)?);
    let changes = changes(&limits, &now, &usual, |setting| drop_in(unit, setting).exists());
    if changes.is_empty() {
        return Ok(false);
    }
    let changes: Vec<_> = changes.into_iter().map(|(name, value)| (name, Variant::U64(value))).collect();
    bus.manage(SYSTEMD, "SetUnitProperties", &(unit, false, changes))?;
    Ok(true)
}

/// What a slice has, of what are numbers.
fn properties(bus: &Bus, unit: &str) -> zbus::Result<HashMap<String, u64>> {
    let path: OwnedObjectPath = bus.manage(SYSTEMD, "LoadUnit", &(unit,))?.body().deserialize()?;
    let all = bus.call(SYSTEMD, &path, (PROPERTIES, "GetAll"), &(SLICE,))?;
    let all: HashMap<String, OwnedVariant> = all.body().deserialize()?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, u64::try_from(&value).ok()?))).collect())
}

/// Where systemd writes down what it was told to keep.
fn drop_in(unit: &str, setting: &str) -> PathBuf {
    format!("/etc/systemd/system.control/{unit}.d/50-{setting}.conf").into()
}

/// What to tell systemd, which says what a slice has now and what is usual, and has written down which settings it was told.
fn changes(
    limits: &SliceLimits,
    now: &HashMap<String, u64>,
    usual: &HashMap<String, u64>,
    is_written: impl Fn(&str) -> bool,
) -> Vec<(&'static str, u64)> {
    let microseconds = limits.cpu_quota.map(|percent| u64::from(percent) * 10_000);
    let table = [
        ("MemoryMax", "MemoryMax", limits.memory_max),
        ("MemoryHigh", "MemoryHigh", limits.memory_high),
        ("CPUQuotaPerSecUSec", "CPUQuota", microseconds),
        ("TasksMax", "TasksMax", limits.tasks_max),
        ("IOWeight", "IOWeight", limits.io_weight.map(u64::from)),
    ];
    let mut changes = Vec::new();
    for (property, setting, wanted) in table {
        let taken_back = || is_written(setting).then(|| usual.get(property).copied()).flatten();
        let value = wanted.or_else(taken_back);
        changes.extend(value.filter(|value| now.get(property) != Some(value)).map(|value| (property, value)));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SliceLimits = SliceLimits {
        memory_max: Some(1 << 30),
        memory_high: Some(1 << 29),
        cpu_quota: Some(150),
        tasks_max: Some(100),
        io_weight: Some(50),
    };

    const NONE: u64 = u64::MAX;

    fn properties(values: [u64; 5]) -> HashMap<String, u64> {
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
}
