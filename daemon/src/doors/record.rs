//! Between the text of a wire and the directory's types: what Varlink and HTTP have in common.

use std::fmt::Display;
use std::str::FromStr;

use identity::{Day, Name, State};
use protocol::MAX_FRAME_BYTES;
use protocol::directory::{GroupRecord, Secret, UserRecord};
use protocol::token::TokenRecord;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::clock::rfc_3339;
use crate::directory::{Error, Key, Member, Result, Team, Token};
use crate::limits::MAX_PAGE;

/// Reads one field.
pub fn parse<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|error| Error::invalid(field, error))
}

/// Reads a field that may be left out.
pub fn parse_option<T: FromStr<Err: Display>>(field: &'static str, text: Option<&str>) -> Result<Option<T>> {
    text.map(|text| parse(field, text)).transpose()
}

/// Reads a field that may be left out, or be empty to take its value away.
pub fn parse_change<T: FromStr<Err: Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<Option<T>>> {
    match text {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => parse(field, text).map(|value| Some(Some(value))),
    }
}

/// Reads names.
pub fn names(field: &'static str, texts: &[String]) -> Result<Vec<Name>> {
    texts.iter().map(|text| parse(field, text)).collect()
}

/// A lookup by exactly one of name and id.
pub fn key(name: Option<&str>, id: Option<u32>) -> Result<Key> {
    match (name, id) {
        (Some(name), None) => parse("name", name).map(Key::Name),
        (None, Some(id)) => Ok(Key::Id(id)),
        _ => Err(Error::invalid("name", "give either a name or an id")),
    }
}

/// The size of a page: what was asked for, within the limits.
pub fn page_size(limit: Option<u32>, most: u32) -> u32 {
    limit.unwrap_or(MAX_PAGE).clamp(1, most)
}

/// As many records as one reply has room for, at least one, and whether some had to stay behind: users in dozens of
/// groups are longer than the size of a page allows for.
pub fn fitting<T: Serialize>(mut records: Vec<T>) -> (Vec<T>, bool) {
    let mut room = MAX_FRAME_BYTES - 1024;
    let mut fits = |record: &T| {
        let bytes = serde_json::to_vec(record).map_or(0, |text| text.len() + 1);
        room.checked_sub(bytes).inspect(|left| room = *left).is_some()
    };
    let fitting = records.iter().map_while(|record| fits(record).then_some(())).count().max(1);
    let some_stay = fitting < records.len();
    records.truncate(fitting);
    (records, some_stay)
}

/// A secret, wiped when dropped.
pub fn secret(secret: Secret) -> Zeroizing<String> {
    Zeroizing::new(secret.0)
}

/// Reads whether somebody is locked.
pub fn state(text: &str) -> Result<State> {
    [State::Active, State::Locked]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| Error::invalid("state", "it is 'active' or 'locked'"))
}

/// A user for the wire.
pub fn user(member: Member, hidden: Option<String>) -> UserRecord {
    let Member { user, origin, groups, password_revision } = member;
    UserRecord {
        uuid: user.uuid,
        name: user.name.to_string(),
        uid: user.uid.0,
        gid: user.gid.0,
        gecos: user.gecos.to_string(),
        email: user.email.map(|email| email.to_string()),
        home: user.home.to_string(),
        shell: user.shell.to_string(),
        state: user.state.to_string(),
        expires_at: user.expires_at.as_ref().map(Day::to_string),
        is_admin: user.is_admin,
        has_password: password_revision.is_some(),
        origin: origin.as_str().to_owned(),
        identities: Vec::new(),
        groups: groups.into_iter().map(|(_, name)| name.to_string()).collect(),
        revision: user.revision,
        refused: false,
        hidden,
    }
}

/// A group for the wire.
pub fn group(team: Team) -> GroupRecord {
    GroupRecord {
        uuid: team.group.uuid,
        name: team.group.name.to_string(),
        gid: team.group.gid.0,
        members: team.members.iter().map(Name::to_string).collect(),
        private: team.private_of.is_some(),
        revision: team.group.revision,
    }
}

/// A token for the wire.
pub fn token(token: Token) -> TokenRecord {
    TokenRecord {
        uuid: token.uuid,
        owner: token.owner.name.to_string(),
        name: token.name.to_string(),
        scopes: token.scopes.iter().map(|scope| scope.to_string()).collect(),
        networks: token.networks.iter().map(ToString::to_string).collect(),
        expires_at: token.expires_at.map(|day| day.to_string()),
        created_at: rfc_3339(token.created_at),
        last_used_at: token.last_use.map(|(at, _)| rfc_3339(at)),
        last_used_from: token.last_use.map(|(_, source)| source.to_string()),
        revision: token.revision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_reply_is_full() {
        let records = |bytes: usize, count: usize| fitting(vec!["x".repeat(bytes); count]);
        let (taken, some_stay) = records(1000, 1000);
        assert_eq!((taken.len(), some_stay), (1000, false));
        let (taken, some_stay) = records(2000, 1000);
        assert!(some_stay && serde_json::to_vec(&taken).unwrap().len() < MAX_FRAME_BYTES - 512);
        assert!(taken.len() > 500);
        let (taken, some_stay) = records(2 * MAX_FRAME_BYTES, 2);
        assert_eq!((taken.len(), some_stay), (1, true), "this one is told to be too large");
        assert!(!records(1, 0).1);
    }
}
