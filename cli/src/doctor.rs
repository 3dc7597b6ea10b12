//! `podyctl doctor`: what is wrong with this node, or soon may be. podyd judges what it knows; what it cannot see, or when it
//! does not answer, is judged here.

mod machine;

use std::path::Path;

use protocol::node::{Doctor, Finding, Findings, Severity};

use crate::daemon::Daemon;
use crate::table::{Listing, Value};
use crate::{Code, Failure, Result, Session};

/// Lists what an admin should look at; a problem is a failure to report.
pub fn run(session: &mut Session<'_>) -> Result<()> {
    let mut findings = machine::findings(Path::new("/etc"), &session.configuration);
    match Daemon::connect(&session.socket).and_then(|mut podyd| podyd.call(&Doctor {})) {
        Ok(Findings { findings: of_podyd }) => findings.extend(of_podyd),
        Err(failure) => findings.push(finding(
            Severity::Problem,
            "podyd",
            failure.message,
            "users keep what they had, and no password works; see: systemctl status podyd",
        )),
    }
    findings.sort_by_key(|finding| finding.severity);
    show(&findings, session)?;
    match findings.first() {
        Some(worst) if worst.severity == Severity::Problem => Err(Failure::silent(Code::Failed)),
        _ => Ok(()),
    }
}

fn show(findings: &[Finding], session: &mut Session<'_>) -> Result<()> {
    let output = &mut session.output;
    if output.json {
        let mut array = output.array();
        findings.iter().try_for_each(|finding| array.push(finding))?;
        return array.end();
    }
    if findings.is_empty() {
        return output.text("Nothing was found that needs looking after.\n");
    }
    let rows = findings.iter().map(|found| {
        [
            severity(found.severity),
            Value::from(&found.subject),
            format!("{}; {}", found.finding, found.advice).into(),
        ]
    });
    Listing::new(["SEVERITY", "ABOUT", "FINDING, AND WHAT TO DO"]).page(output, rows)
}

fn severity(severity: Severity) -> Value {
    match severity {
        Severity::Problem => Value::Striking("problem".into()),
        Severity::Warning => "warning".into(),
        Severity::Note => "note".into(),
    }
}

fn finding(
    severity: Severity,
    subject: &str,
    finding: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding { severity, subject: subject.into(), finding: finding.into(), advice: advice.into() }
}
