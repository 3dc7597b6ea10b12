//! Somebody whom an OpenID provider has vouched for comes in: what is known is read, `directory::welcome` decides, and what
//! comes of it is written, all under the revision's lock, so that of fifty first logins of one person one makes the user.

use std::collections::{BTreeSet, HashSet};

use identity::{Gid, Name};
use serde_json::json;

use super::change::{log, next_revision};
use super::create::{Grant, facts, insert};
use super::session::Session;
use super::user_count::UserCount;
use super::value::values;
use super::{identity as identities, read, reservation};
use crate::clock::Clock;
use crate::directory::{
    Acquaintance, Arrival, Arrived, Batch, Change, Facts, Key, Kind, NewGroup, NewMember, Owner, Plan,
    Reservation, Result, Returning, Rules, Update, Welcome, plan, welcome,
};

/// Lets somebody in; what has not changed is not written, and takes no revision.
pub async fn arrive(
    session: &mut Session,
    arrival: &Arrival,
    rules: &Rules,
    user_count: &UserCount,
) -> Result<Arrived> {
    let known = acquaintance(session, arrival).await?;
    match welcome(arrival, &known, Clock::System.today())? {
        Welcome::Create(kept) => create(session, arrival, kept, rules, user_count).await,
        Welcome::Update(change) => update(session, arrival.asked, change, rules, user_count).await,
    }
}

async fn acquaintance(session: &mut Session, arrival: &Arrival) -> Result<Acquaintance> {
    let owner = match identities::owner(session, &arrival.identity).await? {
        None => Owner::Nobody,
        Some(linked) if linked.is_deleted => Owner::Deleted(linked.name),
        Some(linked) => {
            let member = read::existing_user(session, linked.name).await?;
            let claimed = claimed(session, &member.user.uuid).await?;
            Owner::User(Box::new(Returning { member, claimed }))
        }
    };
    Ok(Acquaintance {
        owner,
        is_taken: read::user(session, Key::Name(arrival.asked)).await?.is_some(),
        reservation: reservation::of_name(session, arrival.asked).await?,
    })
}

/// The groups that earlier claims have brought.
async fn claimed(session: &mut Session, user: &str) -> Result<BTreeSet<Name>> {
    let statement = "SELECT g.name FROM members m JOIN groups g ON g.uuid = m.group_uuid \
                     WHERE m.user_uuid = $1 AND m.origin = 'claims'";
    session.query(statement, values![user]).await?.iter().map(|row| row.parsed("name")).collect()
}

async fn create(
    session: &mut Session,
    arrival: &Arrival,
    kept: Option<Reservation>,
    rules: &Rules,
    user_count: &UserCount,
) -> Result<Arrived> {
    let name = arrival.asked;
    let user = reservation::user_of(arrival, kept.as_ref(), rules);
    let uuid = user.uuid.clone();
    let groups = arrival.groups.as_ref().unwrap_or(&arrival.first_groups);
    let batch = Batch { users: vec![user], ..joining(name, groups, rules) };
    let mut facts = facts(session, &batch, rules, user_count, Some(name)).await?;
    if let Some(kept) = &kept {
        // It is this user's alone: none of the groups may have the number.
        reservation::give_back(session, &kept.uuid).await?;
        facts.uids.remove(&kept.uid.0);
        facts.gids.remove(&kept.gid.0);
        facts.free_ids.retain(|id| *id != kept.uid.0 && *id != kept.gid.0);
    }
    if kept.is_none() {
        reservation::check_derived(name, &facts, rules)?;
    }
    let plan = plan_with(batch, facts, rules);
    if plan.users.is_empty() {
        let refused = plan.refused.into_iter().find(|refusal| refusal.name == name.as_str());
        return Err(refused.expect("a user is taken or refused").error);
    }
    let revision = next_revision(session).await?;
    insert(session, revision, &plan, Grant::Claims).await?;
    identities::insert(session, &arrival.identity, &uuid).await?;
    Ok(Arrived { uuid, name, created: true, left_out: left_out(&plan) })
}

async fn update(
    session: &mut Session,
    name: Name,
    change: Update,
    rules: &Rules,
    user_count: &UserCount,
) -> Result<Arrived> {
    let batch = joining(name, &change.join, rules);
    let facts = facts(session, &batch, rules, user_count, None).await?;
    let plan = plan_with(batch, facts, rules);
    let (left_out, is_described_anew) = (left_out(&plan), change.gecos.is_some() || change.email.is_some());
    if is_described_anew || !plan.members.is_empty() || !change.leave.is_empty() {
        let revision = next_revision(session).await?;
        insert(session, revision, &plan, Grant::Claims).await?;
        leave(session, revision, &change).await?;
        describe(session, revision, &change).await?;
    }
    Ok(Arrived { uuid: change.uuid, name, created: false, left_out })
}

/// The groups of one user, each to be made if it is not there. The user's own is left alone: nobody is put into that.
fn joining(user: Name, groups: &BTreeSet<Name>, rules: &Rules) -> Batch {
    let groups = || (1..).zip(groups.iter().copied().filter(|group| *group != user));
    let new = |(line, name)| {
        let gid = rules.derived_id(Kind::Group, name).map(Gid);
        NewGroup { line, uuid: reservation::new_uuid(), name, gid, reuse_name: false }
    };
    Batch {
        groups: groups().map(new).collect(),
        members: groups().map(|(line, group)| NewMember { line, group, user }).collect(),
        ..Batch::default()
    }
}

/// Plans a batch in which groups that are there need not be made.
fn plan_with(mut batch: Batch, facts: Facts, rules: &Rules) -> Plan {
    batch.groups.retain(|group| !facts.groups.contains_key(&group.name));
    plan(batch, facts, rules)
}

/// What was refused, the group before the membership in it.
fn left_out(plan: &Plan) -> Vec<String> {
    let mut told = HashSet::new();
    let new = plan.refused.iter().filter(|refusal| told.insert(refusal.line));
    new.map(|refusal| format!("{}: {}", refusal.name, refusal.error)).collect()
}

async fn leave(session: &mut Session, revision: u64, change: &Update) -> Result<()> {
    let groups = json!(change.leave.iter().map(Name::as_str).collect::<Vec<_>>()).to_string();
    for statement in [
        "INSERT INTO changes (revision, kind, one, other) SELECT $1, 'member', uuid, $2 FROM groups \
         WHERE name IN {texts $3}",
        "UPDATE groups SET revision = $1 WHERE name IN {texts $3}",
    ] {
        session.execute(statement, values![revision, &change.uuid, &groups]).await?;
    }
    let statement = "DELETE FROM members WHERE user_uuid = $1 AND origin = 'claims' \
                     AND group_uuid IN (SELECT uuid FROM groups WHERE name IN {texts $2})";
    session.execute(statement, values![&change.uuid, &groups]).await
}

async fn describe(session: &mut Session, revision: u64, change: &Update) -> Result<()> {
    let statement = "UPDATE users SET gecos = COALESCE($1, gecos), email = COALESCE($2, email), revision = $3 WHERE uuid = $4";
    let gecos = change.gecos.as_ref().map(|gecos| gecos.as_str());
    let email = change.email.as_ref().map(|email| email.as_str());
    session.execute(statement, values![gecos, email, revision, &change.uuid]).await?;
    log(session, revision, &Change::User { uuid: change.uuid.clone() }).await
}
