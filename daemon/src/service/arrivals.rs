//! What the settings make of somebody for whom an OpenID provider vouches: a decision over values.
//!
//! Whether such a person is let in, and as whom, the directory decides.

use std::collections::BTreeSet;

use identity::{Email, Name, is_privileged_group};
use zeroize::Zeroizing;

use crate::config::{GroupOfUsers, GroupRule, OidcUsers};
use crate::directory::{Arrival, Error, Identity};
use crate::verifiers::oidc::Claims;

/// A claim that is believed only where the provider says that it has verified it: elsewhere, people choose it.
const EMAIL: &str = "email";

/// Where it says so.
const EMAIL_VERIFIED: &str = "email_verified";

/// Somebody who logs in as `asked`.
pub fn arrival(
    claims: &Claims,
    id_token: Zeroizing<String>,
    asked: Name,
    settings: &OidcUsers,
) -> Result<Arrival, Error> {
    let mapped = login_name(claims, settings);
    let may_create = mapped.as_ref().map(drop).map_err(String::clone);
    Ok(Arrival {
        identity: Identity::new(&claims.issuer, &claims.subject)?,
        asked,
        mapped: mapped.ok(),
        may_create: may_be_created(claims, settings).and(may_create),
        may_stay: may_stay(claims, settings),
        reserved: None,
        gecos: claims.name.as_ref().and_then(|name| name.parse().ok()),
        email: verified_email(claims),
        shell: claims.text(settings.shell_claim.as_str()).and_then(|shell| shell.parse().ok()),
        groups: groups(claims, settings),
        first_groups: always(settings).collect(),
        id_token,
    })
}

/// The name by the claims, to the letter. The error is a sentence for the person.
pub fn login_name(claims: &Claims, settings: &OidcUsers) -> Result<Name, String> {
    let claim = settings.name_claim.as_str();
    let text = claims.text(claim).ok_or_else(|| {
        format!("the provider does not say what you are called here: its token has no {claim}")
    })?;
    if claim == EMAIL && !claims.email_verified {
        return Err("the provider has not verified your e-mail address, which is the login name here".into());
    }
    let suffix = settings.name_suffix.as_str();
    let name = text.strip_suffix(suffix).ok_or_else(|| {
        format!("people here are called something that ends with {suffix} at the provider, and you are not")
    })?;
    name.parse().map_err(|why| {
        format!("what the provider calls you ({}) cannot be a login name: {why}", text.escape_debug())
    })
}

/// Whether somebody new is wanted. Each list is a way in; without any there is none.
fn may_be_created(claims: &Claims, settings: &OidcUsers) -> Result<(), String> {
    if !settings.create {
        return Err(
            "nobody gets an account here by logging in: ask an administrator of this system for one".into()
        );
    }
    if is_listed(claims, settings) {
        return Ok(());
    }
    Err("you are not among those who get an account here by logging in: ask an administrator of this system for one"
        .into())
}

/// Whether somebody who came in by a list may still come in: whoever leaves the group at the provider leaves the node. Where there
/// are no lists any more, nobody has left them.
fn may_stay(claims: &Claims, settings: &OidcUsers) -> Result<(), Error> {
    if settings.allows_nobody() || is_listed(claims, settings) {
        return Ok(());
    }
    if is_silent(claims, settings) {
        return Err(Error::Refused(
            "the provider does not say whether you are among those any more who have an account here by logging in: log in \
             again, or ask an administrator of this system"
                .into(),
        ));
    }
    Err(Error::Unwelcome(
        "you are not among those any more who have an account here by logging in: ask an administrator of this system"
            .into(),
    ))
}

/// Whether something is missing by which somebody could be on a list: a token that was refreshed may say less than that of the
/// login (OpenID Connect Core, section 12.2).
fn is_silent(claims: &Claims, settings: &OidcUsers) -> bool {
    let about_domain = [EMAIL, EMAIL_VERIFIED].iter().all(|claim| claims.speaks_of(claim));
    (!settings.allow_groups.is_empty() && claims.groups.is_none())
        || (!settings.allow_domains.is_empty() && !about_domain)
        || settings.allow_claims.iter().any(|one| !claims.speaks_of(one.claim.as_str()))
}

fn is_listed(claims: &Claims, settings: &OidcUsers) -> bool {
    let groups = claims.groups.as_deref().unwrap_or_default();
    let in_group = settings.allow_groups.iter().any(|group| groups.iter().any(|one| one == group.as_str()));
    let email = verified_email(claims);
    let domain = email.as_ref().and_then(|email| email.as_str().split_once('@')).map(|(_, domain)| domain);
    let in_domain = domain.is_some_and(|domain| settings.allow_domains.iter().any(|one| one.is(domain)));
    let has_claim = settings
        .allow_claims
        .iter()
        .any(|one| claims.texts(one.claim.as_str()).contains(&one.value.as_str()));
    settings.allow_everybody || in_group || in_domain || has_claim
}

fn verified_email(claims: &Claims) -> Option<Email> {
    claims.email.as_ref().filter(|_| claims.email_verified)?.parse().ok()
}

/// The groups here. Where none of the provider's is one, what it says of groups does not matter; where it says nothing,
/// everybody stays in those that it spoke of last.
fn groups(claims: &Claims, settings: &OidcUsers) -> Option<BTreeSet<Name>> {
    let claimed = match (&claims.groups, settings.group_map.is_empty()) {
        (_, true) => &[],
        (groups, false) => groups.as_deref()?,
    };
    let mapped = claimed
        .iter()
        .flat_map(|claimed| settings.group_map.iter().filter_map(move |rule| group(rule, claimed)));
    Some(always(settings).chain(mapped).collect())
}

/// The groups that everybody is in.
fn always(settings: &OidcUsers) -> impl Iterator<Item = Name> {
    settings.groups.iter().map(|GroupOfUsers(group)| *group)
}

/// What a group of the provider is here by this rule.
fn group(rule: &GroupRule, claimed: &str) -> Option<Name> {
    match rule {
        GroupRule::All => claimed.parse().ok().filter(|name: &Name| !is_privileged_group(name.as_bytes())),
        GroupRule::Same(GroupOfUsers(group)) => (group.as_str() == claimed).then_some(*group),
        GroupRule::As(from, GroupOfUsers(group)) => (from.as_str() == claimed).then_some(*group),
    }
}

#[cfg(test)]
mod tests;
