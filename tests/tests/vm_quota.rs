//! Quotas on a kernel that has them: what an admin says is what people are held to, on ext4 and on XFS, from the first login on.

use std::time::Duration;

use tests::login::{self, Accounts, Person, Pody};
use tests::vm::{SPARE_DISK, Vm};
use tests::wait;

const CONFIGURATION: &str = "[quota]\nreconcile_every = \"1m\"\n[quota.default]\nblocks_soft = \"1M\"\nblocks_hard = \"2M\"\n\
                             [[quota.filesystem]]\npath = \"/mnt\"\nblock_grace = \"3d\"\n";

/// podyd looks by itself once a minute.
const REPAIRED: Duration = Duration::from_secs(180);

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn people_are_held_to_what_an_admin_says_on_ext4_and_xfs() {
    let vm = Vm::with_pody();
    let file_systems = [("mkfs.ext4 -q -O quota", "usrquota"), ("mkfs.xfs -q -f -K", "uquota")];
    for (number, (make, option)) in file_systems.into_iter().enumerate() {
        let mount = format!(
            "modprobe quota_v2; {make} {SPARE_DISK} && mount -o {option} {SPARE_DISK} /mnt && chmod 1777 /mnt"
        );
        vm.run(&mount).succeeds();
        vm.run(&format!("cat >/etc/pody/config.toml <<'END'\n{CONFIGURATION}END\nsystemctl reload podyd"))
            .succeeds();
        let ada = Person { name: format!("ada{number}"), password: "Analytical-Engine1".into() };
        Pody.add(&vm, &ada);
        story(&vm, &ada, option);
        vm.run("mount -o remount,ro /mnt").succeeds();
        let fixed = vm.run("podyctl quota check").fails();
        assert!(fixed.stderr.contains("/mnt is mounted read-only"), "{option}: {fixed:#?}");
        vm.run("mount -o remount,rw /mnt && podyctl quota check").succeeds();
        vm.run("umount /mnt").succeeds();
        let away = vm.run("podyctl quota check").fails();
        assert!(away.stderr.contains("nothing is mounted at /mnt"), "{away:#?}");
        let bob = Person { name: format!("bob{number}"), ..ada };
        Pody.add(&vm, &bob);
        assert_eq!(login::ssh_by_password(&vm, &bob.name, &bob.password).succeeds(), bob.name);
    }
}

fn story(vm: &Vm, ada: &Person, option: &str) {
    let name = &ada.name;
    let write = |kibibytes: u32| {
        vm.run(&format!(
            "runuser -u {name} -- dd if=/dev/zero of=/mnt/{name} bs=1k count={kibibytes} conv=fsync"
        ))
    };
    // Soft and hard limits of data, as repquota(8) shows them.
    let limits =
        || vm.run(&format!("repquota -uv /mnt | awk '$1 == \"{name}\" {{ print $4, $5 }}'")).succeeds();
    assert_eq!(login::ssh_by_password(vm, name, &ada.password).succeeds(), *name);
    assert_eq!(limits(), "1024 2048", "{option}: after the first login");
    write(512).succeeds();
    assert!(write(4096).fails().stderr.contains("Disk quota exceeded"), "{option}");

    write(1536).succeeds();
    let shown = vm.run(&format!("podyctl quota show {name} --json")).succeeds();
    assert!(shown.contains("\"source\": \"default\"") && shown.contains("\"used\": 15"), "{shown}");

    vm.run(&format!("podyctl quota set {name} blocks_hard=8M blocks_soft=6M")).succeeds();
    assert_eq!(limits(), "6144 8192", "{option}: as soon as the command has returned");
    write(4096).succeeds();

    let drift = vm.run(&format!("setquota -u {name} 0 1024 0 0 /mnt && podyctl quota check")).fails();
    assert!(drift.stdout.contains("somebody else changed it"), "{drift:#?}");
    wait::until("podyd puts it right by itself", REPAIRED, || limits() == "6144 8192");
    vm.run("podyctl quota check").succeeds();

    let uid = vm.run(&format!("id -u {name}")).succeeds();
    vm.run(&format!("podyctl user delete {name} --yes")).succeeds();
    let uid_has_limits =
        || vm.run(&format!("repquota -unv /mnt | awk '$1 == \"#{uid}\" && $5 != 0'")).succeeds();
    wait::until("a deleted user has no limits", REPAIRED, || uid_has_limits().is_empty());
}
