//! How good the tokens are that nodes show each other. No finding says more of a secret than that it should be replaced.

use std::collections::BTreeSet;

use identity::Day;

use super::Finding;
use super::Severity::{Note, Problem, Warning};
use crate::config::{Backend, Secret, Settings};
use crate::directory::{Directory, Result, Scope, Token};
use crate::limits::{MAX_EXAMINED_TOKEN_PAGES, MAX_NAMED_TOKENS, MAX_PAGE};
use crate::service::Service;

/// Characters that a token has at least: 128 bits in hexadecimal.
const LENGTH: usize = 32;

/// Different characters among them: of 32 random hexadecimal digits, fewer than one in a million has fewer.
const DIFFERENT: usize = 8;

/// Days before its end from which on a token is spoken of.
const SOON: i32 = 14;

/// Words of examples, which everybody knows.
const EXAMPLES: [&str; 3] = ["replace-with", "changeme", "change-me"];

impl<D: Directory> Service<D> {
    /// The tokens of the directory.
    pub(super) async fn examined_tokens(&self) -> Result<Vec<Token>> {
        let (mut tokens, mut after): (Vec<Token>, _) = (Vec::new(), None);
        for _ in 0..MAX_EXAMINED_TOKEN_PAGES {
            let page = self.directory.tokens(None, after, MAX_PAGE).await?;
            tokens.extend(page.items);
            after = tokens.last().map(|token| (token.owner.name, token.name.clone()));
            if !page.more {
                break;
            }
        }
        Ok(tokens)
    }
}

/// What is to be said of the tokens that the configuration names.
pub(super) fn shared(settings: &Settings) -> Vec<Finding> {
    let service = Some(&settings.service).filter(|service| service.enabled);
    let service = service.map(|service| ("remote_user_profile.service", &service.access_token));
    let provider = match &settings.backend {
        Backend::Remote(provider) => Some(("remote_user_profile.provider", &provider.access_token)),
        _ => None,
    };
    service.into_iter().chain(provider).filter_map(|(table, token)| weakness(table, token)).collect()
}

fn weakness(table: &'static str, token: &Secret) -> Option<Finding> {
    let token = token.expose();
    let lower = token.to_lowercase();
    let different = token.chars().collect::<BTreeSet<_>>().len();
    let (severity, what) = if EXAMPLES.iter().any(|example| lower.contains(example)) {
        (Problem, "is the text of an example, which everybody knows")
    } else if token.chars().count() < LENGTH {
        (Warning, "is shorter than 32 characters")
    } else if different < DIFFERENT {
        (Warning, "is made of a few characters, again and again")
    } else {
        return None;
    };
    let finding =
        format!("access_token {what}: whoever guesses it can check passwords and look at everybody");
    Some(severity.of(table, finding, "take a random one, such as openssl rand -hex 32 prints, on both sides"))
}

/// What is to be said of the tokens in the directory.
pub(super) fn named(tokens: &[Token], settings: &Settings, today: Day) -> Vec<Finding> {
    let lives = |token: &&Token| token.expires_at.is_none_or(|day| day > today);
    let mut ending: Vec<(Day, &Token)> = (tokens.iter().filter(lives))
        .filter_map(|token| Some((token.expires_at?, token)))
        .filter(|(day, _)| day.0.saturating_sub(today.0) <= SOON)
        .collect();
    ending.sort_by_key(|(day, token)| (*day, token.owner.name, token.name.clone()));
    let of_nodes = tokens.iter().filter(lives).any(|token| token.scopes.holds(Scope::Authenticate));
    let ending = (!ending.is_empty()).then(|| end(&ending));
    let shared = (of_nodes && settings.service.enabled).then(|| {
        Note.of(
            "remote_user_profile.service",
            "there are tokens for single nodes, and the one in access_token is accepted, too",
            "once every node shows its own, replace access_token by a random text that no node knows",
        )
    });
    let provisions = tokens.iter().filter(lives).any(|token| token.scopes.holds(Scope::Provision));
    let unwelcoming = (settings.service.enabled && settings.users_may_arrive() && !provisions).then(|| {
        Warning.of(
            "remote_user_profile.service",
            "people may get an account by logging in ([oidc.users] create), and no node that has its directory from here can \
             have that done: the token in access_token is not for it",
            "where people log in for the first time, have the node show a token of its own: podyctl token create --scope \
             read,authenticate,provision",
        )
    });
    ending.into_iter().chain(shared).chain(unwelcoming).collect()
}

fn end(ending: &[(Day, &Token)]) -> Finding {
    let named: Vec<String> = ending
        .iter()
        .take(MAX_NAMED_TOKENS)
        .map(|(day, token)| format!("{}'s {} on {day}", token.owner.name, token.name))
        .collect();
    let further = match ending.len().saturating_sub(MAX_NAMED_TOKENS) {
        0 => String::new(),
        further => format!(" and {further} more"),
    };
    let finding = format!("tokens end within {SOON} days: {}{further}", named.join(", "));
    Warning.of("tokens", finding, "create new ones, which are accepted beside the old: podyctl token create")
}
