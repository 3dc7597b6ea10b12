//! What nodes say to each other over HTTP: the change feed, whole directories, batches, passwords to judge, tokens,
//! people who log in for the first time.
//!
//! Shapes of their own, with the way to and from the directory's types; the door of a service and the client of a consumer
//! both use these. There is no HTTP here, and no I/O. Fields that a reader does not know are passed over, so that a newer
//! podyd may say more; a kind of line that it does not know is an error, since it may take somebody's account away.

mod arrival;
mod batch;
mod change;
mod cursor;
mod dump;
mod feed;
mod login;
mod object;
mod record;
mod token;

use std::fmt::Display;
use std::str::FromStr;

use crate::directory::{Error, Result};

pub use arrival::{
    IdentitiesPage, IdentitiesPageReply, IdentityBody, ProvisionBody, ProvisionReply, ReservationReply,
    ReserveBody,
};
pub use batch::{BatchBody, BatchReply, known_field};
pub use change::{MembersBody, UserChangeBody};
pub use cursor::{At, PositionReply, cursor, parse_cursor};
pub use dump::{Receiver, encode_begin, encode_group, encode_users};
pub use feed::{Collected, encode_feed, encode_position};
pub use login::{AuthenticateBody, AuthenticateReply, PasswordBody};
pub use record::{Line, Lines};
pub use token::{KeepToken, LookUpToken, TokenReply, TokenUseBody, TokensPage, TokensPageReply};

/// The header in which an answer names the nodes that it comes from: the service's own random word first, then those of
/// what it consumes itself. A request names the node that asks, so that nobody serves itself.
pub const VIA: &str = "pody-via";

/// The header in which a node whose directory comes from elsewhere says how old its copy may be, in seconds, or [`NO_AGE`].
pub const AGE: &str = "pody-age";

/// What a node says that does not know how old its copy is.
pub const NO_AGE: &str = "unknown";

/// Reads one field.
fn parse<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|error| Error::invalid(field, error))
}

/// Reads one field that may be left out.
fn parse_option<T: FromStr<Err: Display>>(field: &'static str, text: Option<&str>) -> Result<Option<T>> {
    text.map(|text| parse(field, text)).transpose()
}

#[cfg(test)]
mod tests;
