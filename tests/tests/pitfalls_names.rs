//! Names that are none, as programs and attackers ask for them: empty, too long, with slashes, line ends, numbers,
//! bytes that are no text. The C library says what it says without Pody; PAM passes them on; nobody crashes.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod pitfall;

use pitfall::*;
use tests::sandbox::Sandbox;

/// As a shell writes them.
const HOSTILE: &[&str] = &[
    "''",
    "$(printf 'x%.0s' $(seq 33))",
    "$(printf 'x%.0s' $(seq 300))",
    "$(printf 'x%.0s' $(seq 100000))",
    "a/b",
    "../../etc/passwd",
    ".",
    "..",
    r#""$(printf 'ada\nroot')""#,
    r#""$(printf 'ada\troot')""#,
    "pam_unix_non_existent:",
    "ada:",
    ":",
    "-rf",
    "--",
    "0",
    "1000",
    "1900000001",
    "4294967295",
    "99999999999999999999",
    "-1",
    r#""$(printf '\377\376')""#,
    r#""$(printf 'ada\377')""#,
    r#""$(printf '\303\244da')""#,
    "Ada",
    "ADA",
    "'ada '",
    "' ada'",
    "'*'",
    "'%s%n'",
    "+",
    "+@netgroup",
    "'ada;id'",
    r"'a\da'",
    "root",
];

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn the_c_library_says_of_them_what_it_says_without_pody() {
    let node = Node::with_ada();
    let probe = tests::paths::built("probe").display().to_string();
    let asked = |name: &str| {
        let by_probe = format!("name={name}; {probe} user=\"$name\" group=\"$name\" groups=\"$name\"");
        let by_getent = format!(
            "name={name}; for map in passwd group shadow initgroups; do getent $map -- \"$name\"; echo $?; done; id -- \"$name\""
        );
        let [one, two] = [by_probe, by_getent].map(|script| node.run(&script));
        (one.status, one.stdout, two.status, two.stdout)
    };
    let with_pody: Vec<_> = HOSTILE.iter().map(|name| asked(name)).collect();
    node.run("/usr/share/pody/nsswitch disable").succeeds();
    assert_eq!(node.probe(&["user=ada"]), ["ada absent"], "the control is one");
    for (name, ours) in HOSTILE.iter().zip(with_pody) {
        let mut control = asked(name);
        // A number is an id to getent and id: hers is known with Pody alone.
        if *name == "1900000001" {
            assert!(ours.3.contains("ada:*:1900000001:"), "{ours:?}");
            control.2 = ours.2;
            control.3.clone_from(&ours.3);
        }
        assert_eq!(ours, control, "{name}");
    }
}

#[test]
#[ignore = "needs root: mounts a private copy of this machine"]
fn pam_pody_passes_them_on_to_the_next_module() {
    let sandbox = Sandbox::with_podyd();
    sandbox.run("echo Secret-of-ada1 | podyctl user add ada --password-stdin").succeeds();
    // Succeeds if pam_pody says that it does not know the user, and for no other word.
    let unknown: String = ["auth", "account", "password"]
        .iter()
        .map(|kind| {
            format!("{kind} [user_unknown=ignore default=die] pam_pody.so\n{kind} required pam_permit.so\n")
        })
        .collect();
    sandbox.write("/etc/pam.d/unknown", &unknown);
    let ask = |name: &str| {
        sandbox.run(&format!(
            "name={name}; echo wrong | pamtester unknown \"$name\" authenticate acct_mgmt chauthtok"
        ))
    };
    // libpam asks for a name where there is none: the empty one becomes the line that is typed.
    for name in HOSTILE.iter().filter(|name| **name != "''") {
        let outcome = ask(name);
        assert_eq!(outcome.status, 0, "{name}: {outcome:#?}");
    }
    // The control: ada is known, and refused.
    assert_eq!(ask("ada").status, 1);
    assert_eq!(sandbox.run("podyctl status").status, 0);
}
