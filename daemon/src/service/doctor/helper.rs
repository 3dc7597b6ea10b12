//! Whether podyd-helper does its work.

use protocol::helper::Hello;

use super::Finding;
use super::Severity::Problem;
use crate::directory::Error;
use crate::service::Helper;

const FOR_WANT_OF_IT: &str = "homes are not made, quotas not set, and sessions not ended";

/// What is to be said of it. One that nothing was asked of yet, and that is not there, is nobody's trouble: the images for
/// containers have none.
pub(super) async fn finding(helper: &Helper) -> Option<Finding> {
    let was_missed = helper.trouble().is_some();
    match helper.call(&Hello {}).await {
        Ok(_) => None,
        Err(Error::Away(_)) if !was_missed => {
            helper.was_not_needed();
            None
        }
        Err(error @ (Error::Away(_) | Error::Busy(_))) => Some(Problem.of(
            "podyd-helper",
            format!("{error}: {FOR_WANT_OF_IT}"),
            match error {
                Error::Busy(_) => "systemctl restart podyd-helper; see: journalctl -u podyd-helper",
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
