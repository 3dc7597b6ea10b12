//! The main job on real input: the people of one booted Debian, and a hundred thousand more, move to Pody on
//! another one, with their ids, groups and passwords.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use tests::login::{self, Accounts, Files, Person};
use tests::machine::Machine;
use tests::wait;

/// How many people move besides those who log in.
const CROWD: u32 = 100_000;

/// Where the crowd's ids begin.
const FIRST_ID: u32 = 2_100_000_000;

/// An import of the crowd takes some 20 s where nothing else is built; this is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
#[ignore = "needs root: boots a Debian"]
fn people_and_a_hundred_thousand_more_move_with_ids_groups_and_passwords() {
    let (old, new) = (Machine::boot(), Machine::with_pody());
    let people = ["ada", "bob", "carol"].map(person);
    people.iter().for_each(|someone| Files.add(&old, someone));
    Files.add_group(&old, "physics", "ada");
    let hash = old.run("getent shadow carol | cut -d: -f2").succeeds();
    let [passwd, shadow, group] = crowd(&hash);
    for (file, crowd) in [("passwd", passwd), ("shadow", shadow), ("group", group)] {
        let real = fs::read_to_string(old.path(&format!("/etc/{file}"))).unwrap();
        new.write(&format!("/root/old-{file}"), &(real + &crowd));
    }
    new.write("/etc/pody/id-ranges", "1000 59999\n1900000000 1999999999\n2100000000 2100999999\n");
    new.run("systemctl restart podyd").succeeds();

    let start = Instant::now();
    import(&new);
    println!("{CROWD} people were imported in {:.1} s", start.elapsed().as_secs_f64());

    let seen = "cut -d: -f1 /root/old-passwd | grep ^crowd | xargs getent passwd | wc -l";
    assert_eq!(new.run(seen).succeeds(), CROWD.to_string());
    let members = "getent group everybody | tr , '\\n' | wc -l";
    assert_eq!(new.run(members).succeeds(), CROWD.to_string());
    for Person { name, password } in &people {
        assert_eq!(new.run(&format!("id {name}")).succeeds(), old.run(&format!("id {name}")).succeeds());
        new.run(&format!("install -d -o {name} -g {name} /home/{name}")).succeeds();
        login::is_refused(login::ssh_by_password(&new, name, "wrong"));
        // The first login replaces the old hash: the second one is checked against the new.
        for _ in 0..2 {
            assert_eq!(login::ssh_by_password(&new, name, password).succeeds(), *name);
        }
    }
    assert!(login::su(&new, "crowd54321", &person("carol").password).succeeds().ends_with("crowd54321"));
}

/// The lines of many people who all have one password hash, and one group of all of them.
fn crowd(hash: &str) -> [String; 3] {
    let (mut passwd, mut shadow, mut group) = (String::new(), String::new(), String::new());
    for number in 0..CROWD {
        let (name, id) = (format!("crowd{number}"), FIRST_ID + number);
        writeln!(passwd, "{name}:x:{id}:{id}:Person {number}:/home/{name}:/bin/bash")
            .expect("a String takes what is written");
        writeln!(shadow, "{name}:{hash}:19000:0:99999:7:::").expect("a String takes what is written");
        writeln!(group, "{name}:x:{id}:").expect("a String takes what is written");
    }
    let everybody: Vec<String> = (0..CROWD).map(|number| format!("crowd{number}")).collect();
    writeln!(group, "everybody:x:2100500000:{}", everybody.join(","))
        .expect("a String takes what is written");
    [passwd, shadow, group]
}

fn import(host: &Machine) {
    let import = "podyctl user import --min-uid 1000 --max-uid 2100999999 --shadow /root/old-shadow \
                  --group /root/old-group /root/old-passwd";
    host.run(&format!("({import} >/root/import.log 2>&1; echo $? >/root/import.done) &")).succeeds();
    wait::until("the import", PATIENCE, || host.path("/root/import.done").exists());
    let log = host.run("cat /root/import.done /root/import.log").succeeds();
    // Three people, the crowd, two groups and the memberships; nobody and nogroup belong to each machine itself.
    assert!(log.contains(&format!("taken {}", 2 * CROWD + 6)), "{log}");
}

fn person(name: &str) -> Person {
    Person { name: name.into(), password: format!("Analytical-Engine-of-{name}1") }
}
