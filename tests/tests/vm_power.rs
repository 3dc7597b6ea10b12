//! Power cuts: a virtual machine's plug is pulled while an admin adds, locks, unlocks and deletes people.
//!
//! Changes are made one after the other, so that each number of changes stands for one state. A directory or a
//! snapshot in any other state is torn, old, or has brought somebody back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tests::host::Host;
use tests::vm::{LastWord, Vm};
use tests::wire::SERIAL_LINE;

/// How often the plug is pulled; CUTS in the environment says otherwise.
const CUTS: u32 = 4;

/// How many changes are made before it is pulled, at least. podyd makes a new base meanwhile.
const WORK: usize = 20;

/// The moments after that differ, so that they find podyd at different work.
const STRIDE: Duration = Duration::from_millis(170);

/// podyd has a change in the snapshot on disk half a second after it. The rest is for an emulated processor, which
/// others may hold up.
const PERSISTED: Duration = Duration::from_secs(3);

/// More changes than are made by then.
const CHANGES: usize = 1000;

/// People who are always there: with them a base is large enough to be torn.
const CROWD: u32 = 1000;

/// Those who are not of the crowd, and whether they are locked.
type People = BTreeMap<String, bool>;

#[test]
#[ignore = "needs root and QEMU: boots a virtual machine"]
fn what_was_answered_holds_after_a_power_cut() {
    let mut vm = Vm::with_pody();
    prepare(&vm);
    let mut done = 0;
    for cut in 0..cuts() {
        let words = vm.lose_power_during(&make_changes(done), WORK, STRIDE * (cut % 6));
        let answered = done + words.len();
        assert_eq!(words.last().map(|word| word.text.clone()), Some(answered.to_string()));
        vm.power_on();
        assert_eq!(vm.run("cat /sys/fs/ext4/nvme0n1/errors_count").succeeds(), "0");

        // podyd is not up: this is what programs see from the disk alone.
        assert_eq!(vm.run("systemctl is-active podyd").stdout, "inactive\n");
        let shown = state(done + persisted(&words), answered + 1, &seen(&vm, answered + 1));
        println!("cut {cut}: {} changes answered, {}", words.len(), behind(&words, shown - done));

        vm.run("systemctl start podyd").succeeds();
        done = state(answered, answered + 1, &held(&vm));
        assert_eq!(seen(&vm, answered + 1), after(done));
    }
}

#[expect(clippy::disallowed_methods, reason = "a setting of this test, and not of Pody")]
fn cuts() -> u32 {
    std::env::var("CUTS").map_or(CUTS, |cuts| cuts.parse().expect("CUTS is a number"))
}

/// Adds the crowd and those that the changes begin with. podyd is started by hand from now on, and makes a new base
/// as often as it can be told to.
fn prepare(vm: &Vm) {
    let crowd = (1_950_000_000..).take(CROWD as usize).fold(String::new(), |mut crowd, id| {
        writeln!(crowd, "crowd{id}:*:{id}:{id}::/home/crowd{id}:/bin/sh")
            .expect("a String takes what is written");
        crowd
    });
    vm.write("/root/crowd", &crowd);
    vm.write("/etc/pody/config.toml", "[nss]\nmerge_after = 16\n");
    vm.run(
        "systemctl disable --quiet podyd && systemctl restart podyd
         podyctl user import --min-uid 1950000000 --max-uid 1959999999 /root/crowd
         for person in p0 p1 p2; do podyctl user add $person; done && podyctl user lock p1 && sync",
    )
    .succeeds();
    assert_eq!((seen(vm, 0), held(vm)), (after(0), after(0)));
}

/// A script that goes on with the changes and says after each how many there have been.
fn make_changes(done: usize) -> String {
    (done..done + CHANGES).fold("set -e\n".to_owned(), |mut script, number| {
        let (verb, name) = change(number);
        writeln!(script, "podyctl user {verb} {name}\necho {} >{SERIAL_LINE}", number + 1)
            .expect("a String takes what is written");
        script
    })
}

/// Everybody is added, then locked, unlocked and deleted, with changes to others in between.
fn change(number: usize) -> (&'static str, String) {
    let step = number % 4;
    (["add", "lock", "unlock", "delete --yes"][step], name(number / 4 + 3 - step))
}

fn name(number: usize) -> String {
    format!("p{number}")
}

/// Who is there after that many changes.
fn after(changes: usize) -> People {
    let mut people = People::from([(name(0), false), (name(1), true), (name(2), false)]);
    for (verb, name) in (0..changes).map(change) {
        match verb {
            "delete --yes" => people.remove(&name),
            _ => people.insert(name, verb == "lock"),
        };
    }
    people
}

/// After how many changes, within these limits, the state was this one.
#[track_caller]
fn state(at_least: usize, at_most: usize, people: &People) -> usize {
    (at_least..=at_most).find(|&changes| after(changes) == *people).unwrap_or_else(|| {
        panic!(
            "after {at_least} to {at_most} changes there is {people:?}, which is no state between {:?} and {:?}",
            after(at_least),
            after(at_most)
        )
    })
}

/// How many changes were answered long enough before the cut to be on disk in the snapshot, too.
fn persisted(words: &[LastWord]) -> usize {
    words.iter().filter(|word| word.before >= PERSISTED).count()
}

fn behind(words: &[LastWord], shown: usize) -> String {
    words.get(shown).map_or("all of them in the snapshot on disk".to_owned(), |lost| {
        format!("the snapshot on disk without those of the last {:.2?}", lost.before)
    })
}

/// Whom lookups show and PAM lets in, of all who were ever added by then.
fn seen(host: &Host, changes: usize) -> People {
    assert_eq!(host.run("getent passwd | grep -c ^crowd").succeeds(), CROWD.to_string());
    let users: String = (0..=changes / 4 + 3).map(|number| format!(" user={}", name(number))).collect();
    let answers = host.run(&format!("probe{users}")).succeeds();
    let found = answers.lines().filter_map(|answer| match answer.split(' ').collect::<Vec<_>>()[..] {
        [name, "found", _] => Some(name.to_owned()),
        [_, "absent"] => None,
        _ => panic!("a lookup failed: {answer}"),
    });
    found.map(|name| (name.clone(), is_locked(host, &name))).collect()
}

fn is_locked(host: &Host, name: &str) -> bool {
    let account = host.run(&format!("pamtester su {name} acct_mgmt"));
    let refused = account.stderr.contains("Permission denied");
    assert!(refused != (account.status == 0), "{account:#?}");
    refused
}

/// Whom the directory has.
fn held(host: &Host) -> People {
    let users: Vec<Value> =
        serde_json::from_str(&host.run("podyctl user list --json").succeeds()).expect("JSON");
    let text = |user: &Value, field: &str| user[field].as_str().expect("a text").to_owned();
    let (crowd, others): (Vec<_>, Vec<_>) = users
        .iter()
        .map(|user| (text(user, "name"), text(user, "state") == "locked"))
        .partition(|(name, _)| name.starts_with("crowd"));
    assert_eq!(crowd.len(), CROWD as usize);
    others.into_iter().collect()
}
