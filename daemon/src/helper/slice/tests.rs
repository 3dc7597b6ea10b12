use super::*;
use crate::quota::Limit;
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
fn whatever_an_admin_can_say_can_be_set() {
    let extremes: [fn(Field) -> u64; 2] = [Field::least, Field::most];
    for of in extremes {
        let limits = SliceLimits {
            memory_max: Some(of(Field::MemoryMax)),
            memory_high: Some(of(Field::MemoryHigh)),
            cpu_quota: Some(of(Field::CpuQuota).try_into().unwrap()),
            tasks_max: Some(of(Field::TasksMax)),
            io_weight: Some(of(Field::IoWeight).try_into().unwrap()),
        };
        assert!(check(&limits).is_ok(), "{limits:?}");
        for (name, limit) in limits.fields() {
            let field: Field = name.parse().unwrap();
            let text = Limit::At(limit.unwrap()).show(field);
            assert_eq!(Limit::parse(field, &text), Ok(Limit::At(limit.unwrap())));
        }
    }
    assert!(check(&SliceLimits { tasks_max: Some(Field::TasksMax.most() + 1), ..LIMITS }).is_err());
}

#[test]
fn slices_are_listed_once_for_all_pages() {
    let count = u32::try_from(MAX_SLICES).unwrap();
    let (mut listed, mut lists) = (None, 0);
    let mut read = |listed: &mut _, from| {
        page(listed, from, || {
            lists += 1;
            Ok((1..=2 * count + 1).collect())
        })
        .unwrap()
    };
    let mut from = Some(0);
    let mut all = Vec::new();
    while let Some(first) = from {
        let (uids, next) = read(&mut listed, first);
        assert!(uids.len() <= MAX_SLICES);
        all.extend(uids);
        from = next;
    }
    assert_eq!(all, (1..=2 * count + 1).collect::<Vec<_>>());
    // One that was started meanwhile goes on all the same.
    assert_eq!(read(&mut None, 2 * count + 1), (vec![2 * count + 1], None));
    assert_eq!(lists, 2);
}

#[test]
fn one_slice_that_systemd_cannot_tell_of_keeps_it_from_no_other() {
    let mut unread = Vec::new();
    assert!(matches!(readable(7, Ok(1), &mut unread), Ok(Some(1))));
    let name = zbus::names::OwnedErrorName::try_from("org.freedesktop.systemd1.BadUnitSetting").unwrap();
    let message = zbus::Message::signal("/", "org.pody.Test", "Any").build(&()).unwrap();
    let refused = zbus::Error::MethodError(name, None, message);
    assert!(matches!(readable::<u8>(8, Err(refused), &mut unread), Ok(None)));
    assert_eq!(unread.iter().map(|failed| failed.uid).collect::<Vec<_>>(), [8]);
    assert!(readable::<u8>(9, Err(zbus::Error::InvalidReply), &mut unread).is_err(), "nobody answers");
}

#[test]
fn files_about_one_slice_that_systemd_does_not_keep_are_an_admins() {
    let unit = unit(1_900_000_007);
    let table = [
        ("/etc/systemd/system/user-1900000007.slice.d/10-own.conf", true),
        ("/run/systemd/system/user-1900000007.slice.d/10-own.conf", true),
        ("/etc/systemd/system.control/user-1900000007.slice.d/50-MemoryMax.conf", false),
        ("/usr/lib/systemd/system/user-.slice.d/10-defaults.conf", false),
        ("/etc/systemd/system/user-1900000008.slice.d/10-own.conf", false),
    ];
    for (file, is_theirs) in table {
        assert_eq!(is_an_admins(file, &unit), is_theirs, "{file}");
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
