//! People who log in on another node for the first time, and who they are to their OpenID provider. An ID token is as good as
//! a password for a while: the body that holds one has no `Debug`, and is wiped when dropped.

use identity::{Gid, Uid};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{At, parse};
use crate::directory::{Arrival, Arrived, Identity, Linked, Page, Position, Reservation, Result};

/// The body of `POST /v1/reservations`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveBody {
    /// The login name.
    pub name: String,
    /// For how long: clocks differ.
    pub seconds: u32,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationReply {
    uuid: String,
    name: String,
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
    /// For how much longer.
    seconds: i64,
}

impl ReservationReply {
    /// What is kept, as of now.
    pub fn new(kept: &Reservation, now: i64) -> Self {
        Self {
            uuid: kept.uuid.clone(),
            name: kept.name.to_string(),
            uid: kept.uid.0,
            gid: kept.gid.0,
            home: kept.home.to_string(),
            shell: kept.shell.to_string(),
            seconds: kept.expires_at.saturating_sub(now),
        }
    }

    /// The same, by the clock of whoever asked.
    pub fn reservation(&self, now: i64) -> Result<Reservation> {
        Ok(Reservation {
            uuid: self.uuid.clone(),
            name: parse("name", &self.name)?,
            uid: Uid(self.uid),
            gid: Gid(self.gid),
            home: parse("home", &self.home)?,
            shell: parse("shell", &self.shell)?,
            expires_at: now.saturating_add(self.seconds),
        })
    }
}

/// The body of `POST /v1/provision`.
#[derive(Serialize)]
pub struct ProvisionBody {
    name: String,
    id_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<String>,
}

impl From<&Arrival> for ProvisionBody {
    fn from(arrival: &Arrival) -> Self {
        Self {
            name: arrival.asked.to_string(),
            id_token: arrival.id_token.to_string(),
            reserved: arrival.reserved.clone(),
        }
    }
}

impl Drop for ProvisionBody {
    fn drop(&mut self) {
        self.id_token.zeroize();
    }
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionReply {
    uuid: String,
    name: String,
    created: bool,
    #[serde(default)]
    left_out: Vec<String>,
    at: At,
}

impl ProvisionReply {
    /// The answer.
    pub fn new(Arrived { uuid, name, created, left_out }: Arrived, position: &Position) -> Self {
        Self { uuid, name: name.to_string(), created, left_out, at: position.into() }
    }

    /// What it says.
    pub fn arrived(self) -> Result<(Arrived, Position)> {
        let position = self.at.position()?;
        let name = parse("name", &self.name)?;
        Ok((Arrived { uuid: self.uuid, name, created: self.created, left_out: self.left_out }, position))
    }
}

/// The body of `POST /v1/users/NAME/identities`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityBody {
    issuer: String,
    subject: String,
    /// Whether they are to be linked, or not any more.
    pub present: bool,
}

impl IdentityBody {
    /// Links an identity, or ends that.
    pub fn new(identity: &Identity, present: bool) -> Self {
        Self { issuer: identity.issuer().to_owned(), subject: identity.subject().to_owned(), present }
    }

    /// The identity.
    pub fn identity(&self) -> Result<Identity> {
        Identity::new(&self.issuer, &self.subject)
    }
}

/// The body of `POST /v1/identities/page`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitiesPage {
    /// Whose; everybody's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Those after this issuer and subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<(String, String)>,
    /// How many.
    pub limit: u32,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentitiesPageReply {
    identities: Vec<IdentityLine>,
    more: bool,
}

/// An identity and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct IdentityLine {
    name: String,
    deleted: bool,
    issuer: String,
    subject: String,
}

impl From<&Page<Linked>> for IdentitiesPageReply {
    fn from(page: &Page<Linked>) -> Self {
        let line = |linked: &Linked| IdentityLine {
            name: linked.name.to_string(),
            deleted: linked.is_deleted,
            issuer: linked.identity.issuer().to_owned(),
            subject: linked.identity.subject().to_owned(),
        };
        Self { identities: page.items.iter().map(line).collect(), more: page.more }
    }
}

impl IdentitiesPageReply {
    /// What it says.
    pub fn page(&self) -> Result<Page<Linked>> {
        let linked = |line: &IdentityLine| {
            Ok(Linked {
                name: parse("name", &line.name)?,
                is_deleted: line.deleted,
                identity: Identity::new(&line.issuer, &line.subject)?,
            })
        };
        Ok(Page { items: self.identities.iter().map(linked).collect::<Result<_>>()?, more: self.more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arrival, name};

    #[test]
    fn what_is_kept_runs_out_by_the_clock_of_whoever_asked() {
        let path = |text: &str| text.parse().unwrap();
        let kept = Reservation {
            uuid: "an identity".into(),
            name: name("ada"),
            uid: Uid(7000),
            gid: Gid(7001),
            home: path("/home/ada"),
            shell: path("/bin/bash"),
            expires_at: 1_180,
        };
        let reply = ReservationReply::new(&kept, 1_000);
        assert_eq!(reply.reservation(5_000).unwrap(), Reservation { expires_at: 5_180, ..kept });
    }

    #[test]
    fn what_goes_to_the_service_is_the_token_and_whom_it_is_to_be_for() {
        let ada = Arrival {
            id_token: "a.b.c".to_owned().into(),
            reserved: Some("an identity".into()),
            may_create: Err("the service judges for itself".into()),
            ..arrival("ada", "s1")
        };
        let sent = serde_json::to_value(ProvisionBody::from(&ada)).unwrap();
        let expected = serde_json::json!({"name": "ada", "id_token": "a.b.c", "reserved": "an identity"});
        assert_eq!(sent, expected);
    }

    #[test]
    fn what_a_service_says_of_people_is_understood_or_refused() {
        let linked = Linked { name: name("ada"), is_deleted: true, identity: arrival("ada", "s1").identity };
        let page = Page { items: vec![linked], more: true };
        let mut reply = IdentitiesPageReply::from(&page);
        assert_eq!(reply.page().unwrap(), page);
        reply.identities[0].subject = "ada\0".into();
        assert!(reply.page().is_err());
    }
}
