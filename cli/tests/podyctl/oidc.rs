//! `podyctl oidc`, with a podyd that finds what a test says.

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
