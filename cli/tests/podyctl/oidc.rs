//! `podyctl oidc`, with a podyd that finds what a test says.

use protocol::node::{Reservation, Reserved};
use protocol::oidc::{Checked, Step};

use crate::podyd::Podyd;

fn podyd(passed: bool) -> Podyd {
    let step = |step: &str, passed| Step { step: step.into(), passed, message: format!("{step} says this") };
    let steps = vec![step("discovery", true), step("device flow", passed)];
    let checked =
        Checked { issuer: "https://a.example".into(), client_id: "pody".into(), steps, ..Checked::default() };
    Podyd::that_answers(Some(Ok(serde_json::to_value(checked).unwrap())))
}

#[test]
fn a_step_that_failed_is_a_failure() {
    for (passed, code, word) in [(true, 0, "ok"), (false, 1, "failed")] {
        let podyd = podyd(passed);
        let ran = podyd.podyctl(&["oidc", "check"], "");
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{ran:?}");
        assert_eq!(podyd.calls()[0], ("Oidc.Check".to_owned(), serde_json::json!({})));
        assert!(ran.out.contains(word) && ran.out.contains("device flow says this"), "{}", ran.out);
        let ran = podyd.podyctl(&["oidc", "check", "--json"], "");
        assert_eq!(ran.code, code);
        assert_eq!(
            (&ran.json()["issuer"], &ran.json()["steps"][1]["passed"]),
            (&"https://a.example".into(), &passed.into())
        );
    }
}

#[test]
fn reservations_are_a_table_for_people_and_an_array_for_programs() {
    let reservation = Reservation {
        name: "ada".into(),
        uid: 1_900_000_007,
        gid: 1_900_000_007,
        home: "/home/ada".into(),
        shell: "/bin/bash".into(),
        expires_at: "2027-01-15T08:04:00Z".into(),
        seconds_left: 93,
    };
    let reserved = serde_json::to_value(Reserved { reservations: vec![reservation] }).unwrap();
    let podyd = Podyd::that_answers(Some(Ok(reserved)));
    let ran = podyd.podyctl(&["reservations"], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(podyd.calls()[0], ("Node.Reservations".to_owned(), serde_json::json!({})));
    for shown in ["ada", "1900000007", "93 s", "/home/ada"] {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
    let ran = podyd.podyctl(&["reservations", "--json"], "");
    assert_eq!(ran.json()[0]["expires_at"], "2027-01-15T08:04:00Z", "{}", ran.out);
}
