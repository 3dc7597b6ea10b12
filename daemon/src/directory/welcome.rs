//! What becomes of somebody whom an OpenID provider has vouched for: one who is known is brought up to date, one who may come
//! is created, and the others are refused with words that they are shown, which say who decided and what to do next.

use std::collections::BTreeSet;

use identity::{Day, Email, Gecos, Name, State};

use super::{Arrival, Error, Member, Origin, Reservation};

/// What the store knows about somebody who arrives.
#[derive(Clone, Debug)]
pub struct Acquaintance {
    /// Whose identity it is.
    pub owner: Owner,
    /// Whether there is a user of the name that is logging in.
    pub is_taken: bool,
    /// What is kept for that name.
    pub reservation: Option<Reservation>,
}

/// Whose an identity is.
#[derive(Clone, Debug)]
pub enum Owner {
    /// Nobody's.
    Nobody,
    /// A user's who was deleted, with the name at the end.
    Deleted(Name),
    /// A user's.
    User(Box<Returning>),
}

/// A user who comes back.
#[derive(Clone, Debug)]
pub struct Returning {
    /// The user, with all groups.
    pub member: Member,
    /// The groups that earlier claims have brought.
    pub claimed: BTreeSet<Name>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Welcome {
    /// Create the user, with what is reserved, or with ids of today.
    Create(Option<Reservation>),
    /// Bring the user up to date.
    Update(Update),
}

/// What has changed about a user since the last login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The user.
    pub uuid: String,
    /// The new comment.
    pub gecos: Option<Gecos>,
    /// The new e-mail address.
    pub email: Option<Email>,
    /// Groups to join, which may have to be created.
    pub join: BTreeSet<Name>,
    /// Groups to leave. None that an admin granted is among them.
    pub leave: BTreeSet<Name>,
}

/// Decides about somebody.
pub fn welcome(arrival: &Arrival, known: &Acquaintance, today: Day) -> Result<Welcome, Error> {
    match &known.owner {
        Owner::Nobody => newcomer(arrival, known).map(Welcome::Create),
        Owner::Deleted(name) => Err(deleted(arrival, *name)),
        Owner::User(returning) => {
            check_account(arrival, &returning.member, today)?;
            Ok(Welcome::Update(update(arrival, returning)))
        }
    }
}

/// Whoever may come gets what is kept for the name.
fn newcomer(arrival: &Arrival, known: &Acquaintance) -> Result<Option<Reservation>, Error> {
    let Arrival { identity, asked, mapped, .. } = arrival;
    let issuer = identity.issuer();
    if let Some(mapped) = mapped.filter(|mapped| mapped != asked) {
        return Err(Error::Refused(format!(
            "by {issuer} you are {mapped} here, and not {asked}: log in as {mapped}"
        )));
    }
    if known.is_taken {
        return Err(Error::Conflict(format!(
            "{asked} is an account of this cluster that is not linked to you at {issuer}; if it is yours, an admin can link \
             it: podyctl identity link {asked} {identity}"
        )));
    }
    arrival.may_create.clone().map_err(Error::Refused)?;
    if mapped.is_none() {
        arrival.may_create.clone().map_err(Error::Refused)?;
        return Err(Error::Refused(format!(
            "{issuer} says nothing of you that could be a login name here; an admin finds out more with oidc.users.name_claim \
             in config.toml"
        )));
    }
    let kept = known.reservation.as_ref().map(|reservation| &reservation.uuid);
    if arrival.reserved.is_some() && arrival.reserved.as_ref() != kept {
        return Err(Error::Refused(format!(
            "this took too long, and {asked} is kept for you no more: log in again"
        )));
    }
    Ok(known.reservation.clone())
}

fn deleted(arrival: &Arrival, name: Name) -> Error {
    Error::Refused(format!(
        "your account {name} was deleted here; an admin can give you a new one: podyctl user add {name} --reuse-name \
         --no-password, and podyctl identity link {name} {}",
        arrival.identity
    ))
}

/// Refuses whoever logs in as somebody else, and whoever may not come in for now.
fn check_account(arrival: &Arrival, Member { user, origin, .. }: &Member, today: Day) -> Result<(), Error> {
    let name = user.name;
    if name != arrival.asked {
        return Err(Error::Refused(format!(
            "by {} you are {name} here, and not {}: log in as {name}",
            arrival.identity.issuer(),
            arrival.asked
        )));
    }
    if user.state == State::Locked {
        return Err(Error::Refused(format!(
            "the account {name} is locked here; an admin can unlock it: podyctl user unlock {name}"
        )));
    }
    // The program that asks has another uid in its hands, which is somebody else's or nobody's.
    if arrival.reserved.as_ref().is_some_and(|shown| *shown != user.uuid) {
        return Err(Error::Refused(format!("{name} has just become another user: log in again")));
    }
    // Whom an admin made a user, the provider's groups do not make anything less.
    if *origin == Origin::Oidc {
        arrival.may_stay.clone()?;
    }
    match user.expires_at {
        Some(day) if day <= today => Err(Error::Refused(format!(
            "the account {name} has expired here; an admin can let it go on: podyctl user update {name} --expires DATE"
        ))),
        _ => Ok(()),
    }
}

/// What a user no more is by the claims ends; what the claims do not speak of stays, and so does what an admin granted.
fn update(arrival: &Arrival, Returning { member, claimed }: &Returning) -> Update {
    let user = &member.user;
    let present: BTreeSet<Name> = member.groups.iter().map(|(_, name)| *name).collect();
    let (join, leave) = match &arrival.groups {
        Some(groups) => (groups - &present, claimed - groups),
        None => Default::default(),
    };
    Update {
        uuid: user.uuid.clone(),
        gecos: arrival.gecos.clone().filter(|gecos| *gecos != user.gecos),
        email: arrival.email.clone().filter(|email| Some(email) != user.email.as_ref()),
        join,
        leave,
    }
}

#[cfg(test)]
mod tests {
    use identity::{Gid, Uid, User};

    use super::*;
    use crate::testing::{arrival, name};

    const TODAY: Day = Day(20_000);

    fn stranger() -> Acquaintance {
        Acquaintance { owner: Owner::Nobody, is_taken: false, reservation: None }
    }

    fn ada() -> Member {
        let user = User {
            uuid: "ada's".into(),
            name: name("ada"),
            uid: Uid(7000),
            gid: Gid(7000),
            gecos: "Ada".parse().unwrap(),
            email: None,
            home: "/home/ada".parse().unwrap(),
            shell: "/bin/bash".parse().unwrap(),
            state: State::Active,
            expires_at: None,
            is_admin: false,
            revision: 1,
        };
        let groups = vec![(Gid(1), name("chess")), (Gid(2), name("physics"))];
        Member { user, origin: Origin::Oidc, groups, password_revision: None }
    }

    fn knowing(member: Member) -> Acquaintance {
        let owner = Owner::User(Box::new(Returning { member, claimed: [name("physics")].into() }));
        Acquaintance { owner, is_taken: true, reservation: None }
    }

    fn kept(uuid: &str) -> Reservation {
        Reservation {
            uuid: uuid.into(),
            name: name("ada"),
            uid: Uid(7000),
            gid: Gid(7000),
            home: "/home/ada".parse().unwrap(),
            shell: "/bin/bash".parse().unwrap(),
            expires_at: 0,
        }
    }

    #[test]
    fn every_refusal_says_who_decided_and_what_to_do() {
        let ada_asks = arrival("ada", "s1");
        let other = |member: Member, change: fn(&mut User)| {
            let mut member = member;
            change(&mut member.user);
            knowing(member)
        };
        let table: Vec<(&str, Arrival, Acquaintance, &str)> = vec![
            (
                "the name by the claims is another",
                Arrival { asked: name("root2"), ..ada_asks.clone() },
                Acquaintance { is_taken: true, ..stranger() },
                "log in as ada",
            ),
            (
                "there is such an account",
                ada_asks.clone(),
                Acquaintance { is_taken: true, ..stranger() },
                "podyctl identity link ada https://login.example.com s1",
            ),
            (
                "there is such an account, and no name in the claims",
                Arrival { mapped: None, ..ada_asks.clone() },
                Acquaintance { is_taken: true, ..stranger() },
                "podyctl identity link ada https://login.example.com s1",
            ),
            ("no name", Arrival { mapped: None, ..ada_asks.clone() }, stranger(), "oidc.users.name_claim"),
            (
                "not on a list",
                Arrival { may_create: Err("ask the chief".into()), ..ada_asks.clone() },
                stranger(),
                "ask the chief",
            ),
            (
                "not on a list any more",
                Arrival { may_stay: Err(Error::Unwelcome("ask the chief".into())), ..ada_asks.clone() },
                knowing(ada()),
                "ask the chief",
            ),
            (
                "another user has the name by now, with another uid",
                Arrival { reserved: Some("r1".into()), ..ada_asks.clone() },
                knowing(ada()),
                "log in again",
            ),
            (
                "what was shown is kept no more",
                Arrival { reserved: Some("r1".into()), ..ada_asks.clone() },
                stranger(),
                "log in again",
            ),
            (
                "what is kept is another's than what was shown",
                Arrival { reserved: Some("r1".into()), ..ada_asks.clone() },
                Acquaintance { reservation: Some(kept("r2")), ..stranger() },
                "log in again",
            ),
            (
                "deleted",
                ada_asks.clone(),
                Acquaintance { owner: Owner::Deleted(name("ada")), ..stranger() },
                "podyctl identity link ada https://login.example.com s1",
            ),
            (
                "somebody else's name",
                ada_asks.clone(),
                other(ada(), |user| user.name = name("countess")),
                "log in as countess",
            ),
            (
                "locked",
                ada_asks.clone(),
                other(ada(), |user| user.state = State::Locked),
                "podyctl user unlock ada",
            ),
            (
                "expired today",
                ada_asks.clone(),
                other(ada(), |user| user.expires_at = Some(TODAY)),
                "--expires",
            ),
        ];
        for (what, arrival, known, words) in table {
            let told = welcome(&arrival, &known, TODAY).unwrap_err().to_string();
            assert!(told.contains(words), "{what}: {told}");
        }
    }

    #[test]
    fn whoever_may_come_gets_what_is_kept_for_the_name() {
        let created = |arrival: Arrival, reservation| {
            welcome(&arrival, &Acquaintance { reservation, ..stranger() }, TODAY).unwrap()
        };
        let shown = Arrival { reserved: Some("r1".into()), ..arrival("ada", "s1") };
        assert_eq!(created(arrival("ada", "s1"), None), Welcome::Create(None));
        assert_eq!(created(arrival("ada", "s1"), Some(kept("r1"))), Welcome::Create(Some(kept("r1"))));
        assert_eq!(created(shown, Some(kept("r1"))), Welcome::Create(Some(kept("r1"))));
    }

    #[test]
    fn whoever_comes_back_keeps_the_name_and_what_an_admin_granted() {
        let updated = |arrival: Arrival| match welcome(&arrival, &knowing(ada()), TODAY).unwrap() {
            Welcome::Update(update) => update,
            other => panic!("{other:?}"),
        };
        let again = arrival("ada", "s1");
        let nothing = Update { uuid: "ada's".into(), ..Update::default() };
        assert_eq!(updated(again.clone()), nothing, "the claims speak of nothing");
        let shown = Arrival { reserved: Some("ada's".into()), ..again.clone() };
        assert_eq!(updated(shown), nothing, "who was made of what programs were shown");
        let made_by_an_admin = knowing(Member { origin: Origin::Admin, ..ada() });
        let unlisted = Arrival { may_stay: Err(Error::Unwelcome("not listed".into())), ..again.clone() };
        assert!(welcome(&unlisted, &made_by_an_admin, TODAY).is_ok(), "whom no list has made a user");
        let renamed = Arrival {
            mapped: Some(name("ada-byron")),
            may_create: Err("nobody new".into()),
            gecos: Some("Ada".parse().unwrap()),
            ..again.clone()
        };
        assert_eq!(updated(renamed), nothing, "a new name there is none here");
        let moved = Arrival {
            gecos: Some("Countess".parse().unwrap()),
            email: Some("ada@example.com".parse().unwrap()),
            groups: Some([name("chess"), name("maths")].into()),
            ..again.clone()
        };
        let expected = Update {
            uuid: "ada's".into(),
            gecos: Some("Countess".parse().unwrap()),
            email: Some("ada@example.com".parse().unwrap()),
            join: [name("maths")].into(),
            leave: [name("physics")].into(),
        };
        assert_eq!(updated(moved), expected);
        let none = updated(Arrival { groups: Some(BTreeSet::new()), ..again });
        assert_eq!((none.join.len(), none.leave), (0, [name("physics")].into()), "chess is an admin's");
    }
}
