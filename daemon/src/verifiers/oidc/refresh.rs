//! Asking a provider again about somebody who logged in some time ago (RFC 6749, section 6): whether they are still welcome
//! there, and what is said of them now.

use super::Provider;
use super::error::{Error, Trouble};
use super::exchange::{Exchanged, Tokens};
use crate::config::Secret;

/// What the provider says. `Debug` shows no token.
#[derive(Debug)]
pub enum Refreshed {
    /// It goes on vouching.
    Vouched {
        /// For what; some do not say, and one that does is to be checked like any other.
        id_token: Option<Secret>,
        /// What more can be asked with.
        access_token: Option<Secret>,
        /// What is to be used the next time; none: the same again.
        refresh_token: Option<Secret>,
    },
    /// It has ended that: the account is gone or disabled, or the token was withdrawn or is too old.
    Ended(Error),
    /// It does not say now.
    Unknown {
        /// Why.
        why: Error,
        /// Whether it may have answered all the same, and the token be used up by that.
        answer_is_lost: bool,
        /// Whether it would be the same for everybody.
        is_away: bool,
    },
}

impl Provider {
    /// Uses a refresh token.
    pub async fn refresh(&self, token: &Secret) -> Refreshed {
        // Nobody has seen the token while even this is not known.
        if let Err(why) = self.metadata().await {
            return Refreshed::Unknown { why, answer_is_lost: false, is_away: true };
        }
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        match self.exchange(&fields).await {
            Ok(Exchanged::Tokens(tokens)) => {
                let Tokens { id_token, access_token, refresh_token } = tokens;
                Refreshed::Vouched { id_token, access_token, refresh_token }
            }
            Ok(Exchanged::Pending | Exchanged::TooFast) => {
                let why = Error::away("the provider wants to be asked later");
                Refreshed::Unknown { why, answer_is_lost: false, is_away: false }
            }
            Err(why) if matches!(why.trouble, Trouble::Denied | Trouble::Expired) => Refreshed::Ended(why),
            Err(why) => {
                let Error { answer_is_lost, is_for_all: is_away, .. } = why;
                Refreshed::Unknown { why, answer_is_lost, is_away }
            }
        }
    }
}
