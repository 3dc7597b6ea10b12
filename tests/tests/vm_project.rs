//! Homes as projects, on kernels that count them: all that is in somebody's home is theirs, whoever wrote it, on ext4 and on XFS.

use std::time::Duration;

use tests::login::{self, Accounts, Person, Pody};
use tests::vm::{SPARE_DISK, Vm};
use tests::wait;

/// Both kinds on one filesystem. No login waits for podyd to look by itself.
const CONFIGURATION: &str = "[quota]\nreconcile_every = \"1h\"\n[[quota.filesystem]]\npath = \"/home\"\nblocks_hard = \"64M\"\n\
                             [[quota.filesystem]]\npath = \"/home\"\nkind = \"project\"\nblocks_hard = \"4M\"\n";

/// podyd does it at once. The processor is emulated, and others may hold it up.
const SOON: Duration = Duration::from_secs(120);

struct Disk {
    make: &'static str,
    options: &'static str,
    /// What dd says about a home that is full.
    full: &'static str,
    on_delete: &'static str,
}

const DISKS: [Disk; 2] = [
    Disk {
        make: "mkfs.ext4 -q -O quota,project -E quotatype=usrquota:prjquota",
        options: "usrquota,prjquota",
        full: "Disk quota exceeded",
        on_delete: "archive",
    },
    Disk {
        make: "mkfs.xfs -q -f -K",
        options: "uquota,prjquota",
        full: "No space left on device",
        on_delete: "remove",
    },
];

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn what_is_in_a_home_counts_for_its_owner_on_ext4_and_xfs() {
    let vm = Vm::with_pody();
    for (number, disk) in DISKS.iter().enumerate() {
        let Disk { make, options, on_delete, .. } = disk;
        vm.run(&format!(
            "modprobe quota_v2; {make} {SPARE_DISK} && mount {SPARE_DISK} /home && cat >/etc/pody/config.toml <<'END'\n\
             {CONFIGURATION}[homes]\non_delete = \"{on_delete}\"\nEND\nsystemctl reload podyd"
        ))
        .succeeds();
        let person =
            |name: &str| Person { name: format!("{name}{number}"), password: "Analytical-Engine1".into() };
        let (ada, bob) = (person("ada"), person("bob"));
        add(&vm, &ada);
        without_the_option(&vm, &bob);
        vm.run(&format!("umount /home && mount -o {options} {SPARE_DISK} /home")).succeeds();
        a_new_home(&vm, &ada, disk);
        an_older_home(&vm, &bob, &ada);
        drift(&vm, &ada);
        a_number_of_somebody_else(&vm, &bob);
        deleted(&vm, &ada, disk);
        vm.run("umount /home").succeeds();
    }
}

/// Without a home, which the first session makes.
fn add(vm: &Vm, Person { name, password }: &Person) {
    vm.run(&format!("echo '{password}' | podyctl user add {name} --password-stdin --shell /bin/bash"))
        .succeeds();
}

/// What is not turned on is a finding, and keeps nobody out.
fn without_the_option(vm: &Vm, bob: &Person) {
    let off = vm.run("podyctl quota check").fails();
    assert!(off.stderr.contains("prjquota"), "{off:#?}");
    Pody.add(vm, bob);
    assert_eq!(login::ssh_by_password(vm, &bob.name, &bob.password).succeeds(), bob.name);
}

fn a_new_home(vm: &Vm, Person { name, password }: &Person, Disk { full, .. }: &Disk) {
    let uid = vm.run(&format!("id -u {name}")).succeeds();
    assert_eq!(login::ssh_by_password(vm, name, password).succeeds(), *name);
    let ids = vm.run(&format!("lsattr -dp ~{name} ~{name}/.bashrc | awk '{{ print $1 }}'")).succeeds();
    assert_eq!(ids, format!("{uid}\n{uid}"), "the home, and what is made in it");
    assert_eq!(limits(vm, &uid), "0 4096");

    let write = |who: &str, file: &str| {
        vm.run(&format!(
            "runuser -u {who} -- dd if=/dev/zero of=/home/{name}/{file} bs=64k count=128 conv=fsync"
        ))
    };
    let by_her = write(name, "large").fails();
    assert!(by_her.stderr.contains(full), "{by_her:#?}");
    vm.run(&format!("cd /home/{name} && rm large && chmod 0711 . && install -d -m 0777 -o {name} shared"))
        .succeeds();
    let used = || -> u32 {
        let shown = vm.run(&format!("repquota -Pn /home | awk '$1 == \"#{uid}\" {{ print $3 }}'")).succeeds();
        shown.parse().unwrap_or_else(|_| panic!("{shown} is no number of KiB"))
    };
    wait::until("what she has removed counts no more", SOON, || used() < 512);
    let by_another = write("nobody", "shared/large").fails();
    assert!(by_another.stderr.contains(full), "{by_another:#?}");
    assert!(used() > 3072, "{} KiB, most of them nobody's", used());
    let shown = vm.run(&format!("podyctl quota show {name} && podyctl quota report")).succeeds();
    assert!(shown.contains("project:/home") && shown.contains("64M") && shown.contains("4M"), "{shown}");
}

/// What somebody else has changed is found, and put right.
fn drift(vm: &Vm, Person { name, .. }: &Person) {
    let uid = vm.run(&format!("id -u {name}")).succeeds();
    let drift = vm.run(&format!("setquota -P {uid} 0 1024 0 0 /home && podyctl quota check")).fails();
    assert!(drift.stdout.contains("somebody else changed it"), "{drift:#?}");
    vm.run("podyctl quota apply").succeeds();
    assert_eq!(limits(vm, &uid), "0 4096");
}

/// One that was there before its quota, with all that may be in one.
fn an_older_home(vm: &Vm, Person { name, .. }: &Person, ada: &Person) {
    let uid = vm.run(&format!("id -u {name}")).succeeds();
    let other = &ada.name;
    vm.run(&format!(
        "cd /home/{name} && runuser -u {name} -- sh -ec 'mkdir -p a/b/c; echo x >a/b/c/file; echo x >twice; ln twice again; \
         mkfifo pipe; ln -s /home/{other} link; ln -s /home/{other}/.bashrc a/link' && echo x >a/of-root && mkdir a/b/mounted && \
         chown {name} a/b/mounted && mount --bind /home/{other}/shared a/b/mounted"
    ))
    .succeeds();
    let project = |path: &str| vm.run(&format!("lsattr -dp {path} | awk '{{ print $1 }}'")).succeeds();
    let ids = |paths: &[&str]| -> Vec<String> {
        paths.iter().map(|path| project(&format!("/home/{name}/{path}"))).collect()
    };
    let told = vm.run("podyctl quota check").fails();
    assert!(told.stderr.contains(&format!("/home/{name}, is counted by no project quota")), "{told:#?}");
    let applied = vm.run("podyctl quota apply").succeeds();
    assert!(applied.contains("files and directories in homes have their project id now"), "{applied}");
    assert_eq!(ids(&["", "a", "a/b/c", "a/b/c/file"]), [uid.as_str(); 4]);
    assert_eq!(ids(&["a/of-root", "twice"]), ["0"; 2], "somebody else's, or with several names");
    let of_ada = vm.run(&format!("id -u {other}")).succeeds();
    assert_eq!(project(&format!("/home/{other}/.bashrc")), of_ada, "behind a link");
    assert_eq!(project(&format!("/home/{other}/shared")), of_ada, "on a mount");
    vm.run(&format!("umount /home/{name}/a/b/mounted && podyctl quota check")).succeeds();
    let made =
        vm.run(&format!("runuser -u {name} -- touch /home/{name}/a/b/new && lsattr -p /home/{name}/a/b"));
    assert!(made.succeeds().contains(&uid), "what is made there now counts");
}

fn a_number_of_somebody_else(vm: &Vm, Person { name, .. }: &Person) {
    let uid = vm.run(&format!("id -u {name}")).succeeds();
    let set = format!("echo backup:{uid} >/etc/projid && setquota -P {uid} 0 1024 0 0 /home");
    let told = vm.run(&format!("{set} && podyctl quota apply"));
    assert!(told.stderr.contains("/etc/projid") && told.stderr.contains("backup"), "{told:#?}");
    assert_eq!(limits(vm, &uid), "0 1024", "it is the project's");
    vm.run("rm /etc/projid && podyctl quota apply").succeeds();
    assert_eq!(limits(vm, &uid), "0 4096");
}

fn deleted(vm: &Vm, Person { name, .. }: &Person, Disk { on_delete, .. }: &Disk) {
    let uid = vm.run(&format!("id -u {name}")).succeeds();
    // Nothing of another project can be moved into one that passes its own on.
    vm.run(&format!(
        "cd /home/{name} && rm shared/large && mkdir -p one/two/three && chattr -p 7 one/two one/two/three"
    ))
    .succeeds();
    vm.run(&format!("podyctl user delete {name} --yes")).succeeds();
    wait::until("the home is put away", SOON, || {
        vm.run(&format!("! test -e /home/{name} && ! ls -A /home | grep -q pody-removed")).status == 0
    });
    let archived = vm.run(&format!("ls /home/.archived/{name}.{uid}.*")).status == 0;
    assert_eq!(archived, *on_delete == "archive");
    wait::until("a deleted user has no limits", SOON, || matches!(limits(vm, &uid).as_str(), "" | "0 0"));
}

/// Soft and hard limits of data of a project, as repquota(8) shows them.
fn limits(vm: &Vm, uid: &str) -> String {
    vm.run(&format!("repquota -Pvn /home | awk '$1 == \"#{uid}\" {{ print $4, $5 }}'")).succeeds()
}
