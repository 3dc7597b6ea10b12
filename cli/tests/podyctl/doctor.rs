//! `podyctl doctor`, with a podyd that finds what a test says. The machine that this runs on has findings of its own.

use protocol::node::{Finding, Findings, Severity};
use serde_json::Value;

use crate::podyd::{Podyd, Ran, Scratch};

fn finding(severity: Severity, subject: &str) -> Finding {
    Finding { severity, subject: subject.into(), finding: "it is so".into(), advice: "do this".into() }
}

fn podyd() -> Podyd {
    let findings = [finding(Severity::Problem, "one"), finding(Severity::Note, "another")].into();
    Podyd::that_answers(Some(Ok(serde_json::to_value(Findings { findings }).unwrap())))
}

fn severity_of(ran: &Ran, subject: &str) -> Option<String> {
    let listed = ran.json();
    let found = listed.as_array().unwrap().iter().find(|found| found["subject"] == subject)?;
    Some(found["severity"].as_str().unwrap().to_owned())
}

#[test]
fn a_problem_is_a_failure_and_the_worst_stands_first() {
    let podyd = podyd();
    let ran = podyd.podyctl(&["doctor", "--json"], "");
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{ran:?}");
    assert_eq!(podyd.calls()[0], ("Node.Doctor".to_owned(), serde_json::json!({})));
    assert_eq!(severity_of(&ran, "one").as_deref(), Some("problem"));
    assert_eq!(severity_of(&ran, "another").as_deref(), Some("note"));
    let listed = ran.json();
    let severities: Vec<&Value> = listed.as_array().unwrap().iter().map(|found| &found["severity"]).collect();
    assert!(severities.is_sorted_by_key(|severity| {
        ["problem", "warning", "note"].iter().position(|word| severity == word)
    }));

    let ran = podyd.podyctl(&["doctor"], "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("FINDING, AND WHAT TO DO") && ran.out.contains("it is so; do this"),
        "{}",
        ran.out
    );
}

#[test]
fn a_podyd_that_is_not_there_is_a_problem_among_others() {
    let home = Scratch::new();
    let ran = home.podyctl(&["doctor", "--json"], "");
    assert_eq!(ran.code, 1);
    assert_eq!(severity_of(&ran, "podyd").as_deref(), Some("problem"));
    assert_eq!(
        severity_of(&ran, "id-ranges").as_deref(),
        Some("note"),
        "the files under PODY_HOME are looked at"
    );
}
