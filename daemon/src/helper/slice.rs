//! The limits of a user's slice: systemd is told what they are, and writes drop-ins of its own that hold after every boot
//! (`/etc/systemd/system.control`). What is in force already is left alone.

use std::collections::HashMap;
use std::fs;
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

/// No limit, for every one of them.
const NONE: u64 = u64::MAX;

/// Less would not let anybody log in, to see why.
const MEMORY: RangeInclusive<u64> = 16 * 1024 * 1024..=1 << 50;
const TASKS: RangeInclusive<u64> = 8..=1 << 22;
const CPU_PERCENT: RangeInclusive<u32> = 1..=1_000_000;
const IO_WEIGHT: RangeInclusive<u16> = 1..=10_000;

/// What systemd gives every user (user-.slice.d/10-defaults.conf): a third of all tasks, as a part of 2^32 - 1.
const USUAL_TASKS: u32 = u32::MAX / 100 * 33;

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
    let path: OwnedObjectPath = bus.manage(SYSTEMD, "LoadUnit", &(unit,))?.body().deserialize()?;
    let all = bus.call(SYSTEMD, &path, (PROPERTIES, "GetAll"), &(SLICE,))?;
    let now: HashMap<String, OwnedVariant> = all.body().deserialize()?;
    let changes = changes(
        &limits,
        |property| now.get(property).and_then(|value| u64::try_from(value).ok()),
        |setting| fs::read_to_string(drop_in(unit, setting)).ok(),
    );
    if changes.is_empty() {
        return Ok(false);
    }
    bus.manage(SYSTEMD, "SetUnitProperties", &(unit, false, changes))?;
    Ok(true)
}

/// Where systemd writes down what it was told to keep.
fn drop_in(unit: &str, setting: &str) -> PathBuf {
    format!("/etc/systemd/system.control/{unit}.d/50-{setting}.conf").into()
}

/// What to tell systemd, which says of each property what it is now, and of each setting what was written down.
fn changes(
    limits: &SliceLimits,
    now: impl Fn(&str) -> Option<u64>,
    written: impl Fn(&str) -> Option<String>,
) -> Vec<(&'static str, Variant<'static>)> {
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
        match wanted {
            Some(wanted) if now(property) == Some(wanted) => {}
            Some(wanted) => changes.push((property, Variant::U64(wanted))),
            // A part of all, and no number: that is what it was taken back to.
            None if property == "TasksMax" => {
                let is_number = |text: &String| !text.contains('%');
                let taken_back = ("TasksMaxScale", Variant::U32(USUAL_TASKS));
                changes.extend(written(setting).filter(is_number).map(|_| taken_back));
            }
            None if now(property) != Some(NONE) && written(setting).is_some() => {
                changes.push((property, Variant::U64(NONE)));
            }
            None => {}
        }
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

    fn names(changes: &[(&'static str, Variant<'static>)]) -> Vec<&'static str> {
        changes.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn only_what_differs_is_set() {
        let fresh = changes(&LIMITS, |_| Some(NONE), |_| None);
        assert_eq!(names(&fresh), ["MemoryMax", "MemoryHigh", "CPUQuotaPerSecUSec", "TasksMax", "IOWeight"]);
        assert_eq!(fresh[2].1, Variant::U64(1_500_000));
        let now = |property: &str| match property {
            "MemoryMax" => Some(1 << 30),
            "CPUQuotaPerSecUSec" => Some(1_500_000),
            "TasksMax" => Some(100),
            "IOWeight" => Some(50),
            _ => Some(NONE),
        };
        assert_eq!(names(&changes(&LIMITS, now, |_| None)), ["MemoryHigh"]);
    }

    #[test]
    fn what_pody_did_not_set_is_not_taken_back() {
        let none = SliceLimits::default();
        assert!(changes(&none, |_| Some(4711), |_| None).is_empty());
        let back = changes(&none, |_| Some(4711), |_| Some("TasksMax=4711".into()));
        let expected = ["MemoryMax", "MemoryHigh", "CPUQuotaPerSecUSec", "TasksMaxScale", "IOWeight"];
        assert_eq!(names(&back), expected);
        assert!(
            changes(&none, |_| Some(NONE), |_| Some("TasksMax=33.00%".into())).is_empty(),
            "it was already"
        );
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
