//! Quotas that are asked for as nobody who means well would. What the kernel does about the others, a virtual machine tells.

use protocol::Error;
use protocol::helper::quota::{DiskLimits, Filesystems, LimitsOf, MAX_QUOTAS, Read, Set};

use super::harness::{TestHelper, owner};

fn set(filesystem: &str, uid: u32, limits: DiskLimits) -> Set {
    Set { filesystem: filesystem.into(), limits: vec![LimitsOf { uid, limits }] }
}

fn hard(kib: u64) -> DiskLimits {
    DiskLimits { hard_kib: kib, ..DiskLimits::default() }
}

#[test]
fn filesystems_that_are_not_mounted_or_have_no_quotas_are_told_apart() {
    let helper = TestHelper::new();
    let found = helper.call(&Filesystems {}).unwrap().filesystems;
    let [proc, nothing] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (proc.path.as_str(), proc.type_name.as_str(), proc.counts, proc.enforces),
        ("/proc", "proc", false, false)
    );
    assert_eq!((nothing.path.as_str(), nothing.type_name.as_str()), ("/proc/nothing", ""));

    let read = |path: &str| helper.call(&Read { filesystem: path.into(), ..Read::default() }).unwrap_err();
    assert!(matches!(read("/proc"), Error::Conflict { message } if message.contains("without quotas")));
    assert!(
        matches!(read("/proc/nothing"), Error::NotFound { message } if message.contains("nothing is mounted"))
    );
}

#[test]
fn hostile_quotas_are_refused_before_the_kernel_hears_of_them() {
    let helper = TestHelper::new();
    let crossed = DiskLimits { soft_kib: 2, hard_kib: 1, ..DiskLimits::default() };
    let table = [
        (set("/", owner(), hard(1)), "no [[quota.filesystem]]"),
        (set("/proc/../home", owner(), hard(1)), "no [[quota.filesystem]]"),
        (set("/proc", 0, hard(1)), "0"),
        (set("/proc", 999, hard(1)), "999"),
        (set("/proc", 1_900_000_001, hard(1)), "local account"),
        (set("/proc", 65_534, hard(1)), "65534"),
        (set("/proc", 700_000, hard(1)), "700000"),
        (set("/proc", u32::MAX, hard(1)), "4294967295"),
        (set("/proc", owner(), crossed), "make no sense"),
        (set("/proc", owner(), hard(u64::MAX)), "make no sense"),
    ];
    for (call, said) in table {
        let refused = helper.call(&call).unwrap_err();
        assert!(matches!(refused, Error::Refused { .. } | Error::InvalidInput { .. }), "{call:?}: {refused}");
        assert!(refused.to_string().contains(said), "{call:?}: {refused}");
    }
    let one = LimitsOf { uid: owner(), limits: hard(1) };
    let many = Set { filesystem: "/proc".into(), limits: vec![one; MAX_QUOTAS + 1] };
    assert!(matches!(helper.call(&many).unwrap_err(), Error::InvalidInput { .. }));
    let of_root = Read { filesystem: "/proc".into(), from: 0, only: true };
    assert!(
        matches!(helper.call(&of_root).unwrap_err(), Error::Refused { .. }),
        "nor is what others have told"
    );
}
