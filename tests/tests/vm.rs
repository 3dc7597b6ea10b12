//! What only a machine with a kernel of its own can tell: that Pody boots there, that its unit keeps it in, and that
//! the kernel holds people to their quotas.

use tests::login::{self, Accounts, Person, Pody};
use tests::vm::{SPARE_DISK, Vm};

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn a_machine_boots_with_podyd_and_people_log_in_to_it() {
    let vm = Vm::with_pody();
    assert_eq!(vm.run("systemctl is-system-running").succeeds(), "running");
    let ada = ada();
    Pody.add(&vm, &ada);
    login::is_known(&vm, &ada.name);
    assert_eq!(login::ssh_by_password(&vm, &ada.name, &ada.password).succeeds(), ada.name);
    login::is_refused(login::ssh_by_password(&vm, &ada.name, "wrong"));
    assert!(login::su(&vm, &ada.name, &ada.password).succeeds().ends_with(&ada.name));
    login::su(&vm, &ada.name, "wrong").fails();
    // 10 is the worst, times ten.
    for (unit, threshold) in [("podyd", 15), ("podyd-helper", 40)] {
        let analyze = format!("systemd-analyze security --no-pager --threshold={threshold} {unit}.service");
        let security = vm.run(&analyze).succeeds();
        let exposed = security.lines().filter(|line| !line.starts_with('✓'));
        exposed.for_each(|line| println!("{}", line.trim_end()));
    }
}

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn the_kernel_holds_a_person_of_pody_to_quotas_on_ext4_and_xfs() {
    let vm = Vm::with_pody();
    Pody.add(&vm, &ada());
    let file_systems =
        [("mkfs.ext4 -q -O quota", "usrquota"), ("mkfs.xfs -q -f -K", "uquota")].map(|(make, option)| {
            format!("modprobe quota_v2 && {make} {SPARE_DISK} && mount -o {option} {SPARE_DISK} /mnt")
        });
    for mount in file_systems {
        vm.run(&format!("{mount} && chmod 1777 /mnt && setquota -u ada 0 1024 0 0 /mnt")).succeeds();
        let write = |kibibytes: u32| {
            vm.run(&format!("runuser -u ada -- dd if=/dev/zero of=/mnt/ada bs=1k count={kibibytes}"))
        };
        write(512).succeeds();
        assert!(write(2048).fails().stderr.contains("Disk quota exceeded"), "{mount}");
        vm.run("umount /mnt").succeeds();
    }
}

fn ada() -> Person {
    Person { name: "ada".into(), password: "Analytical-Engine1".into() }
}
