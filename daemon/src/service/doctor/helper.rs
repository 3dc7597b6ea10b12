//! Whether podyd-helper does its work, and for whom it does not.

use protocol::helper::Hello;

use super::Finding;
use super::Severity::{Problem, Warning};
use crate::config::HomeRoot;
use crate::directory::Error;
use crate::service::Helper;

/// Users that one finding names.
const MAX_NAMED: usize = 10;

const FOR_WANT_OF_IT: &str = "homes are not made, quotas not set, and sessions not ended";

/// What is to be said of it. One that nothing was asked of yet, and that is not there, is nobody's trouble: the images for
/// containers have none.
pub(super) async fn finding(helper: &Helper) -> Option<Finding> {
    let was_missed = helper.trouble().is_some();
    match helper.call(&Hello {}).await {
        Ok(_) => helper.silence().map(|(users, why)| {
            let finding = format!("it has lately not answered about {users} users: {why}");
            Warning.of("podyd-helper", finding, "see whether the file server of their homes answers")
        }),
        Err(Error::Away(_)) if !was_missed => {
            helper.was_not_needed();
            None
        }
        Err(error @ (Error::Away(_) | Error::Busy(_))) => Some(Problem.of(
            "podyd-helper",
            format!("{error}: {FOR_WANT_OF_IT}"),
            match error {
                Error::Busy(_) => {
                    "see first whether the file servers of homes answer: a helper that waits for one may not stop before that, and \
                     what it does for others would end with it. If they do: systemctl restart podyd-helper; see: journalctl -u \
                     podyd-helper"
                }
                _ => "systemctl enable --now podyd-helper.socket; see: journalctl -u podyd-helper",
            },
        )),
        Err(error) => Some(Problem.of(
            "podyd-helper",
            format!("{error}: {FOR_WANT_OF_IT}"),
            "make /etc/pody and what is in it root's: chown root, chmod go-w",
        )),
    }
}

/// What is to be said of homes that are below no root.
pub(super) fn elsewhere(whose: &[String], roots: &[HomeRoot]) -> Option<Finding> {
    let shown = whose.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = match whose.len().saturating_sub(MAX_NAMED) {
        _ if whose.is_empty() => return None,
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let roots: Vec<&str> = roots.iter().map(HomeRoot::as_str).collect();
    let roots = roots.join(" and ");
    Some(Warning.of(
        "homes",
        format!("{shown}{more}: homes that are not below {roots} are neither made nor put away on this node"),
        "add the directory that they are in to [homes] roots, or: podyctl user update NAME --home PATH",
    ))
}
