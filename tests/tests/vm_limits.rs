//! Limits that bite, on a kernel of its own with real sshd and systemd: of memory and tasks in a session, and of disks where
//! people are told of them on their terminals. How long a changed policy takes to be in force is measured beside the same by hand.

use std::time::Duration;

use servers::{OidcOptions, OidcProvider};
use tests::conversation::Conversation;
use tests::login::{self, Accounts, Person, Pody};
use tests::vm::{SPARE_DISK, Vm};
use tests::wait;
use tokio::runtime::Runtime;

/// Until something happens, on an emulated processor that others hold up.
const PATIENCE: Duration = Duration::from_secs(180);

const SSH: &str = "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";

/// Takes 200 MiB, and says so.
const HUNGRY: &str = "perl -e '$x = \"a\" x (200 << 20); print length $x'";

/// Has up to 30 children at a time, and says how many there were, and why not more.
const FERTILE: &str = "perl -e 'while (@c < 30 and defined($p = fork)) { sleep 999 unless $p; push @c, $p } \
                       print scalar @c, $!{EAGAIN} ? \" EAGAIN\" : \"\"; kill 9, @c'";

/// How many people have the policy of their group.
const STUDENTS: u32 = 100;

/// So many of them have been here. Each takes systemd a tenth of a second here, by hand or not.
const PRESENT: u32 = 16;

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn limits_of_memory_tasks_and_disks_bite_and_people_are_told() {
    let runtime = Runtime::new().expect("threads can be made");
    let idp = runtime.block_on(OidcProvider::start(OidcOptions { tls: true, ..OidcOptions::default() }));
    let mut vm = Vm::with_pody();
    let issuer = idp.issuer();
    vm.reach(issuer.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port"));
    vm.write("/etc/pody/ca.pem", &idp.authority());
    configure(&vm, issuer, "2M");
    vm.run(&format!(
        "modprobe quota_v2; mkfs.ext4 -q -O quota {SPARE_DISK} && mount -o usrquota {SPARE_DISK} /mnt && chmod 1777 /mnt
         echo 'KbdInteractiveAuthentication yes' >/etc/ssh/sshd_config.d/story.conf
         systemctl restart ssh && systemctl reload podyd"
    ))
    .succeeds();

    whoever_comes_from_a_provider_has_limits(&vm, |code| runtime.block_on(idp.approve(code, "sub-bob")));
    whoever_has_too_much_is_told_on_the_terminal(&vm);
    memory_and_tasks_have_an_end(&vm);
    a_changed_policy_is_in_force(&vm, issuer).iter().for_each(|measured| println!("{measured}"));
    vm.reboot();
    the_first_process_of_a_session_is_limited_without_podyd(&vm);
}

fn configure(vm: &Vm, issuer: &str, blocks_hard: &str) {
    let text = format!(
        "[quota.default]\nblocks_soft = \"1M\"\nblocks_hard = \"{blocks_hard}\"\n\
         [[quota.filesystem]]\npath = \"/mnt\"\nblock_grace = \"3d\"\n\
         [oidc]\nissuer = \"{issuer}\"\nclient_id = \"pody\"\nca_file = \"/etc/pody/ca.pem\"\n[oidc.users]\ncreate = true\nallow_everybody = true\n"
    );
    vm.write("/etc/pody/config.toml", &text);
}

/// bob, who does not exist yet. podyd gives sshd no user whom it has not reserved in a fifth of a second, which is not much on
/// such a processor: people try again.
fn whoever_comes_from_a_provider_has_limits(vm: &Vm, approve: impl Fn(&str)) {
    wait::until("bob to be somebody", PATIENCE, || {
        vm.run(&format!("{SSH} -o BatchMode=yes bob@localhost true")).fails();
        vm.run("podyctl reservations").succeeds().contains("bob")
    });
    let ssh = format!("{SSH} -o PreferredAuthentications=keyboard-interactive bob@localhost id -un");
    let ssh = Conversation::begin(vm, &ssh, "press Enter here: ");
    approve(&ssh.word_after("enter the code"));
    let ran = ssh.answer("");
    assert!(ran.status == 0 && ran.stdout.trim_end().ends_with("bob"), "{ran:#?}");
    assert_eq!(limits(vm, "bob"), "1024 2048", "after the first login");
    vm.run("runuser -u bob -- dd if=/dev/zero of=/mnt/bob bs=1k count=512").succeeds();
    let too_much = vm.run("runuser -u bob -- dd if=/dev/zero of=/mnt/bob bs=1k count=4096").fails();
    assert!(too_much.stderr.contains("Disk quota exceeded"), "{too_much:#?}");
}

fn whoever_has_too_much_is_told_on_the_terminal(vm: &Vm) {
    let liz = add(vm, "liz");
    login::authorize_key(vm, "liz");
    let by_password = |typed: &str| {
        let ssh = format!("{SSH} -o PreferredAuthentications=password liz@localhost");
        vm.converse(&ssh, &[("assword:", &liz.password), ("$ ", typed)]).succeeds()
    };
    let by_key = |typed: &str| {
        let ssh = format!("{SSH} -o PreferredAuthentications=publickey liz@localhost");
        vm.converse(&ssh, &[("$ ", typed)]).succeeds()
    };
    let told = |terminal: &str| -> Vec<String> {
        let lines = terminal.lines().filter(|line| line.contains("You have"));
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    assert_eq!(told(&by_password("exit")), [""; 0], "there is nothing yet");
    vm.run("runuser -u liz -- dd if=/dev/zero of=/mnt/liz bs=1k count=1536 conv=fsync").succeeds();
    let over_soft = [
        "You have 1.5M on /mnt, where you may have 1.0M. Please remove something within 2 days and 23 hours: \
                      then nothing more can be written there.",
    ];
    assert_eq!(told(&by_password("exit")), over_soft);
    assert_eq!(told(&by_key("exit")), over_soft);

    vm.run("runuser -u liz -- dd if=/dev/zero of=/mnt/liz bs=1k count=4096 conv=fsync").fails();
    let over_hard = [
        "You have 2.0M on /mnt, where you may have 1.0M. Nothing more can be written there: please remove something.",
    ];
    assert_eq!(told(&by_key("exit")), over_hard);
    assert_eq!(told(&by_password("rm /mnt/liz && exit")), over_hard, "and can remove it");
    assert_eq!(told(&by_key("exit")), [""; 0]);
}

fn memory_and_tasks_have_an_end(vm: &Vm) {
    let (ada, eve) = (add(vm, "ada"), add(vm, "eve"));
    let run = |person: &Person, script: &str| {
        vm.write("/run/story", script);
        let Person { name, password } = person;
        vm.run(&format!(
            "SSHPASS='{password}' sshpass -e {SSH} -o PreferredAuthentications=password {name}@localhost </run/story 'sh -s'"
        ))
    };
    let usual = run(&eve, &cgroup("cat memory.max pids.max")).succeeds();
    assert_eq!(run(&eve, HUNGRY).succeeds(), "209715200", "whoever has no limit is held to none");

    vm.run("podyctl quota set ada memory_max=96M tasks_max=16 cpu_quota=50% io_weight=50").succeeds();
    let limited = "100663296\n16\n50000 100000\ndefault 50";
    assert_eq!(run(&ada, &cgroup("cat memory.max pids.max cpu.max io.weight")).succeeds(), limited);
    // Its own shell is not killed, and tells how it ended: 137 is SIGKILL.
    let killed =
        run(&ada, &format!("{HUNGRY}; echo $?; {}", cgroup("grep -w oom_kill memory.events"))).succeeds();
    assert_eq!(killed, "137\noom_kill 1");
    let children = run(&ada, FERTILE).succeeds();
    let count = children.strip_suffix(" EAGAIN").and_then(|count| count.parse().ok());
    assert!(count.is_some_and(|count: u32| (8..16).contains(&count)), "{children}");
    assert_eq!(run(&eve, FERTILE).succeeds(), "30");
    assert_eq!(run(&eve, &cgroup("cat memory.max pids.max")).succeeds(), usual, "eve is as before");

    // In a session that has begun.
    login::authorize_key(vm, "ada");
    let waits = format!("while [ ! -e /run/raised ]; do sleep 1; done; {HUNGRY}");
    vm.write("/run/story", &waits);
    vm.run(&format!("setsid {SSH} ada@localhost 'sh -s' </run/story >/run/answer 2>&1 &")).succeeds();
    wait::until("the session", PATIENCE, || vm.run("pgrep -u ada -x sleep").status == 0);
    vm.run("podyctl quota set ada memory_max=640M tasks_max=40").succeeds();
    let slice = format!("/sys/fs/cgroup/user.slice/user-{}.slice", vm.run("id -u ada").succeeds());
    let now = vm.run(&format!("cat {slice}/memory.max {slice}/pids.max; touch /run/raised")).succeeds();
    assert_eq!(now, "671088640\n40", "when the command has returned");
    wait::until("what takes more", PATIENCE, || vm.read("/run/answer").as_deref() == Some("209715200"));
}

/// What was measured; `podyctl metrics` tells the same of every node.
fn a_changed_policy_is_in_force(vm: &Vm, issuer: &str) -> [String; 4] {
    vm.run(&format!(
        "awk 'BEGIN {{ for (i = 1; i <= {STUDENTS}; i++) printf \"student%d:*:%d:%d::/home/student%d:/bin/sh\\n\", i, 1900001000 + i, 1900001000 + i, i }}' >/run/students
         podyctl user import --min-uid 1900000000 --max-uid 1999999999 /run/students
         podyctl group add physics && podyctl group add-member physics $(seq -f student%.0f {STUDENTS})"
    ))
    .succeeds();
    let podyd_looked = || limits(vm, &format!("student{STUDENTS}")) == "1024 2048";
    wait::until("new users to have the default", PATIENCE, podyd_looked);
    let students = |command: &str| format!("for i in $(seq {STUDENTS}); do {command}; done");

    let took = measured(vm, "user", || drop(vm.run("podyctl quota set eve blocks_hard=3M").succeeds()));
    assert_eq!(limits(vm, "eve"), "1024 3072", "when the command has returned");
    let by_hand = timed(vm, "setquota -u eve 1024 3072 0 0 /mnt");
    let of_user = format!("a user's policy was in force after {took} s; setquota(8), {by_hand} s");

    let took =
        measured(vm, "group", || drop(vm.run("podyctl quota set --group physics blocks_hard=4M").succeeds()));
    assert_eq!(limits(vm, &format!("student{STUDENTS}")), "1024 4096");
    let by_hand = timed(vm, &students("setquota -u student$i 1024 4096 0 0 /mnt"));
    let of_group = format!("a group's policy, for {STUDENTS} people, after {took} s; by hand, {by_hand} s");

    configure(vm, issuer, "5M");
    let took = measured(vm, "default", || drop(vm.run("systemctl reload podyd").succeeds()));
    assert_eq!(limits(vm, "liz"), "1024 5120");
    let by_hand = timed(vm, "for name in ada bob liz; do setquota -u $name 1024 5120 0 0 /mnt; done");
    let of_all = format!(
        "the default, of {STUDENTS} people and 4, after {took} s; by hand for those 3 whom it concerns, {by_hand} s"
    );

    // podyd is told of sessions, without which nobody has a slice to limit.
    vm.run("podyctl quota set --group physics tasks_max=40").succeeds();
    for number in 1..=PRESENT {
        vm.run(&format!("su -l student{number} -c true")).succeeds();
    }
    let took =
        measured(vm, "group", || drop(vm.run("podyctl quota set --group physics tasks_max=41").succeeds()));
    let slice = |number: u32| {
        let uid = 1_900_001_000 + number;
        vm.run(&format!("systemctl show --property TasksMax --value user-{uid}.slice")).succeeds()
    };
    assert_eq!([slice(1), slice(PRESENT)], ["41", "41"]);
    let by_hand = format!(
        "for i in $(seq {PRESENT}); do systemctl set-property user-$((1900001000 + i)).slice TasksMax=41; done"
    );
    let by_hand = timed(vm, &by_hand);
    let of_slices = format!(
        "a group's policy, for the slices of {PRESENT} people, after {took} s; systemctl(1) by hand, {by_hand} s"
    );
    [of_user, of_group, of_all, of_slices]
}

/// systemd has written the limits down.
fn the_first_process_of_a_session_is_limited_without_podyd(vm: &Vm) {
    vm.run("systemctl stop podyd podyd-helper.socket podyd-helper").succeeds();
    let script = "cat /sys/fs/cgroup/user.slice/user-$(id -u).slice/memory.max; cut -d/ -f3 /proc/$$/cgroup";
    let ssh =
        vm.run(&format!("{SSH} -o PreferredAuthentications=publickey ada@localhost '{script}'")).succeeds();
    let uid = vm.run("id -u ada").succeeds();
    assert_eq!(ssh, format!("671088640\nuser-{uid}.slice"));
}

fn add(vm: &Vm, name: &str) -> Person {
    let person = Person { name: name.into(), password: "Analytical-Engine1".into() };
    Pody.add(vm, &person);
    person
}

/// In the directory that shows what somebody's slice has.
fn cgroup(command: &str) -> String {
    format!("cd /sys/fs/cgroup/user.slice/user-$(id -u).slice && {command}")
}

/// Soft and hard limits of data, as repquota(8) shows them.
fn limits(vm: &Vm, name: &str) -> String {
    vm.run(&format!("repquota -uv /mnt | awk '$1 == \"{name}\" {{ print $4, $5 }}'")).succeeds()
}

/// How many seconds it took by podyd's own account until what this says of a user, a group or everybody was in force.
fn measured(vm: &Vm, of: &str, change: impl FnOnce()) -> String {
    let counted = || {
        let metrics = vm.run("podyctl metrics").succeeds();
        let number = |name: &str| -> f64 {
            let name = format!("pody_quota_in_force_seconds_{name}{{of=\"{of}\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0.0)
        };
        (number("count"), number("sum"))
    };
    let (count, sum) = counted();
    change();
    let mut after = sum;
    wait::until("it to be in force", PATIENCE, || {
        let now = counted();
        after = now.1;
        now.0 > count
    });
    format!("{:.3}", after - sum)
}

/// How many seconds a command takes there.
fn timed(vm: &Vm, command: &str) -> String {
    let script = format!("began=$(date +%s%N); {command}; echo $((($(date +%s%N) - began) / 1000000))");
    let milliseconds: f64 = vm.run(&script).succeeds().parse().expect("a number");
    format!("{:.3}", milliseconds / 1000.0)
}
