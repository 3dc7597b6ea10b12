//! What people read who log in at the OpenID provider.

use std::time::Duration;

use identity::Name;
use qrcodegen::{QrCode, QrCodeEcc};

use super::{Decision, Verdict};
use crate::directory::Error;
use crate::limits::MAX_QR_COLUMNS;
use crate::service::codes::LoginCode;
use crate::verifiers::oidc::{self, DeviceLogin, Trouble};

/// What somebody needs to know who goes elsewhere to approve a login here.
pub struct Invitation<'a> {
    /// Who logs in.
    pub name: &'a str,
    /// Where to.
    pub node: &'a str,
    /// Where from; none: from this machine.
    pub from: Option<&'a str>,
    /// What the provider wants shown.
    pub login: &'a DeviceLogin,
    /// Whether a QR code is wanted, too.
    pub qr: bool,
}

/// The last line, behind which sshd, login and su wait.
pub const PROMPT: &str = "Then press Enter here: ";

/// Modules on each side of a QR code that are left light. The standard wants four; cameras make do with two.
const QUIET: i32 = 2;

/// The longest name of a host that is shown: what is longer was made up.
const MAX_HOST_CHARS: usize = 64;

impl Invitation<'_> {
    /// All but the last line. It begins with a line of its own, since ssh puts the user's name before it; node and source
    /// stand there, so that nobody approves another's login.
    pub fn message(&self) -> String {
        let DeviceLogin { verification_uri, user_code, verification_uri_complete, .. } = self.login;
        let qr = self
            .qr
            .then(|| qr_code(verification_uri_complete.as_ref().unwrap_or(verification_uri)))
            .flatten();
        let qr = qr.map(|drawn| format!("\n{drawn}")).unwrap_or_default();
        let from = self.from.map(|host| format!(" from {}", visible(host))).unwrap_or_default();
        format!(
            "{qr}\n{} logs in to {}{from}.\n\
             If that is you, just now: open  {verification_uri}\n\
             on your phone or computer, and enter the code  {user_code}",
            self.name,
            visible(self.node),
        )
    }
}

fn visible(host: &str) -> String {
    host.chars().filter(char::is_ascii_graphic).take(MAX_HOST_CHARS).collect()
}

/// A QR code in half blocks, two modules of a column in one character: light on dark, as most terminals are, and cameras
/// take the opposite as well. None: it would be too large.
fn qr_code(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let (first, end) = (-QUIET, code.size() + QUIET);
    if usize::try_from(end - first).is_ok_and(|columns| columns > MAX_QR_COLUMNS) {
        return None;
    }
    // Outside of the code, everything is light.
    let is_light = |x, y| !code.get_module(x, y);
    let block = |x, y| match (is_light(x, y), y + 1 < end && is_light(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    let line = |y| (first..end).map(|x| block(x, y)).chain(['\n']).collect::<String>();
    Some((first..end).step_by(2).map(line).collect())
}

/// The end of a login whose owner may come back by this code for a while. A line of its own begins it.
pub fn may_return(node: &str, code: &LoginCode, window: Duration) -> Decision {
    let (node, time) = (visible(node), time(window));
    let message = format!(
        "\nFor the next {time}, this code logs you in to {node} again, without the browser:\n\n    {}\n\n\
         It is shown this once. Whoever has it can log in as you.",
        code.expose()
    );
    Decision { verdict: Verdict::Granted, message: Some(message) }
}

fn time(window: Duration) -> String {
    match window.as_secs() / 60 {
        0 => format!("{} seconds", window.as_secs()),
        minutes if minutes > 60 && minutes.is_multiple_of(60) => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

/// How a login ended that the provider, at `host`, did not vouch for.
pub fn of_provider(host: &str, error: &oidc::Error) -> Decision {
    let journal = "An administrator of this system finds the reason in the journal of podyd.";
    match error.trouble {
        Trouble::Denied => refused(format!("{host} says that this login was denied. Nobody was logged in.")),
        Trouble::Expired => too_late(host),
        Trouble::InvalidToken => refused(format!("What {host} says of you cannot be believed. {journal}")),
        Trouble::Away => unavailable(format!(
            "{host} does not answer, and only it can tell that it is you. Please try again in a moment."
        )),
        Trouble::Misconfigured => {
            unavailable(format!("Logins at {host} are not set up as they must be. {journal}"))
        }
    }
}

/// How a login ended that the provider vouched for and the directory did not take.
pub fn of_directory(error: &Error) -> Decision {
    match error {
        Error::Away(_) | Error::Busy(_) | Error::Failed(_) => unavailable(
            "You have been approved, and the directory of this system does not answer. Please try again in a moment."
                .into(),
        ),
        no => refused(format!("You cannot log in so: {no}.")),
    }
}

/// Through this PAM service nobody sees an address, or could answer.
pub fn not_here(name: Name, host: &str, service: &str) -> Decision {
    unavailable(format!("{name} logs in at {host}, which is not possible through {}.", visible(service)))
}

/// Somebody begins logins without approving them.
pub fn too_often(wait: Duration) -> Decision {
    refused(format!("Too many logins were begun. Try again in {} minutes.", wait.as_secs() / 60 + 1))
}

/// The time for approving was over.
pub fn too_late(host: &str) -> Decision {
    refused(format!("Nobody has approved this login at {host} in time. Log in again for a new code."))
}

/// The time was over while the provider or the directory was still being asked.
pub fn took_too_long(host: &str) -> Decision {
    unavailable(format!("{host} took too long. Please try again in a moment."))
}

/// Nobody who is told may come in, and trying again is of no use.
fn refused(message: String) -> Decision {
    Decision { verdict: Verdict::Refused, message: Some(message) }
}

/// Nobody knows yet.
fn unavailable(message: String) -> Decision {
    Decision { verdict: Verdict::Unavailable, message: Some(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules of a drawing, with the light around them.
    fn read_back(drawn: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawn.lines() {
            for is_dark in [['▄', ' '], ['▀', ' ']] {
                rows.push(line.chars().map(|block| is_dark.contains(&block)).collect());
            }
        }
        rows
    }

    #[test]
    fn a_qr_code_is_drawn_as_it_is_and_fits_a_terminal() {
        for length in [20, 60, 120, 180] {
            let url = format!("https://login.example.com/device?user_code={}", "A".repeat(length));
            let drawn = qr_code(&url).unwrap();
            let columns = drawn.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(columns <= MAX_QR_COLUMNS && drawn.lines().count() <= 30, "{columns}\n{drawn}");
            let code = QrCode::encode_text(&url, QrCodeEcc::Low).unwrap();
            let rows = read_back(&drawn);
            for (x, y) in (0..code.size()).flat_map(|x| (0..code.size()).map(move |y| (x, y))) {
                let [row, column] = [y, x].map(|at| usize::try_from(at + QUIET).unwrap());
                assert_eq!(rows[row][column], code.get_module(x, y), "{x} {y}\n{drawn}");
            }
        }
        assert_eq!(qr_code(&format!("https://login.example.com/{}", "a".repeat(400))), None);
    }

    #[test]
    fn nobody_elses_words_command_a_terminal() {
        assert_eq!(visible("evil\u{1b}[2J\n host\u{202e}"), "evil[2Jhost");
        assert_eq!(visible(&"x".repeat(1000)).len(), MAX_HOST_CHARS);
    }
}
