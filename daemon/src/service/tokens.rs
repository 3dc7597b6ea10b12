//! Bearer tokens: whoever may, creates, lists and revokes them; whoever is shown one, asks here whether to accept it.
//!
//! Nothing is cached: a token that was revoked on one node is refused on all of them from that commit on, but for nodes that
//! are cut off from the directory and were told to keep a copy of the tokens (`replicaPath`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use identity::{Day, Name};

use super::{Caller, Operation, Service, new_uuid};
use crate::directory::{
    Attempt, Directory, Error, Networks, NewToken, Objection, Page, Result, Scope, Scopes, Token, TokenHash,
    TokenLookup, TokenName, TokenSecret, TokenUse,
};
use crate::limits::{MAX_NOTED_TOKEN_USES, MAX_TOKEN_USES_A_TRANSACTION};

/// A token to create, as somebody asks for it.
pub struct TokenRequest {
    /// Whose it is to be; the caller's own when absent.
    pub owner: Option<Name>,
    /// What to call it.
    pub name: TokenName,
    /// What it is for.
    pub scopes: Scopes,
    /// Where it may be used.
    pub networks: Networks,
    /// The first day on which it has expired.
    pub expires_at: Option<Day>,
}

/// What is to be said of a token that somebody presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The token, if there is one.
    pub token: Option<Token>,
    /// What speaks against it; nothing: it is accepted.
    pub objections: Vec<Objection>,
}

impl Checked {
    /// Whether whoever holds the token may do what they want to.
    pub fn is_accepted(&self) -> bool {
        self.objections.is_empty() && self.token.is_some()
    }

    pub(super) fn refused(objection: Objection) -> Self {
        Self { token: None, objections: vec![objection] }
    }
}

/// Uses that are not written down yet: the latest of each token.
#[derive(Debug, Default)]
pub struct TokenUses(Mutex<HashMap<String, (i64, IpAddr)>>);

impl TokenUses {
    /// Remembers a use, unless a later one of the same token is known or there is no room.
    fn note(&self, TokenUse { uuid, at, source }: TokenUse) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < MAX_NOTED_TOKEN_USES || uses.contains_key(&uuid) {
            let latest = uses.entry(uuid).or_insert((at, source));
            if latest.0 <= at {
                *latest = (at, source);
            }
        }
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> Vec<TokenUse> {
        let uses = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        uses.into_iter().map(|(uuid, (at, source))| TokenUse { uuid, at, source }).collect()
    }
}

impl<D: Directory> Service<D> {
    /// Creates a token, and returns the one copy of its text.
    pub async fn create_token(&self, caller: &Caller, request: TokenRequest) -> Result<(Token, TokenSecret)> {
        let owner = owner(caller, request.owner)?;
        self.may_create_token(caller, owner, request.scopes, request.expires_at)?;
        let secret = new_secret();
        let new = NewToken {
            uuid: new_uuid(),
            hash: secret.hash(),
            owner,
            name: request.name,
            scopes: request.scopes,
            networks: request.networks,
            expires_at: request.expires_at,
            created_at: self.clock.unix_seconds(),
        };
        let position = self.directory.create_token(new).await?;
        self.visible(&position).await?;
        match self.directory.token(&secret.hash()).await? {
            TokenLookup::Found(token) => {
                tracing::info!(%owner, token = %token.name, scopes = %token.scopes, by = %caller, "token created");
                Ok((*token, secret))
            }
            _ => Err(Error::Conflict(format!("{owner}'s new token was revoked at once"))),
        }
    }

    /// Keeps a token whose text was made on another node, and never left it.
    pub async fn keep_token(&self, caller: &Caller, new: NewToken) -> Result<u64> {
        self.may_create_token(caller, new.owner, new.scopes, new.expires_at)?;
        let (owner, name) = (new.owner, new.name.clone());
        let position = self.directory.create_token(new).await?;
        self.visible(&position).await?;
        tracing::info!(%owner, token = %name, by = %caller, "token created");
        Ok(position.revision)
    }

    /// What is known of a token that somebody presents to another node, which judges it.
    pub async fn look_up_token(&self, caller: &Caller, hash: &TokenHash) -> Result<TokenLookup> {
        caller.may(Operation::AcceptTokens)?;
        self.directory.token(hash).await
    }

    /// Notes uses of tokens that another node has seen.
    pub fn note_token_uses(&self, caller: &Caller, uses: Vec<TokenUse>) -> Result<()> {
        caller.may(Operation::AcceptTokens)?;
        uses.into_iter().for_each(|once| self.token_uses.note(once));
        Ok(())
    }

    fn may_create_token(
        &self,
        caller: &Caller,
        owner: Name,
        scopes: Scopes,
        expires_at: Option<Day>,
    ) -> Result<()> {
        caller.may(Operation::UseTokensOf(owner))?;
        if !caller.is_trusted() && !scopes.are_within(Scopes::OF_USERS) {
            return Err(Error::Refused(format!(
                "your own tokens may be for {}; others are made by root and Pody's admins",
                Scopes::OF_USERS
            )));
        }
        if let Caller::Bearer(bearer) = caller
            && !scopes.are_within(bearer.scopes)
        {
            return Err(Error::Refused(format!(
                "this token has {}, and makes no token that may do more",
                bearer.scopes
            )));
        }
        match expires_at.filter(|day| *day <= self.clock.today()) {
            Some(day) => Err(Error::invalid("expires_at", format_args!("{day} is not after today (UTC)"))),
            None => Ok(()),
        }
    }

    /// A page of one owner's tokens or, for whoever may see them, of everybody's.
    pub async fn tokens(
        &self,
        caller: &Caller,
        owner: Option<Name>,
        after: Option<(Name, TokenName)>,
        limit: u32,
    ) -> Result<Page<Token>> {
        let owner = match caller {
            Caller::User(own) => Some(owner.unwrap_or(*own)),
            _ => owner,
        };
        caller.may(match owner {
            Some(owner) if !matches!(caller, Caller::Bearer(_)) => Operation::UseTokensOf(owner),
            _ => Operation::LookAtTokens,
        })?;
        self.directory.tokens(owner, after, limit).await
    }

    /// Ends a token for ever, on every node.
    pub async fn revoke_token(&self, caller: &Caller, of: Option<Name>, name: TokenName) -> Result<u64> {
        let owner = owner(caller, of)?;
        caller.may(Operation::UseTokensOf(owner))?;
        let position = self.directory.revoke_token(owner, name.clone()).await?;
        self.visible(&position).await?;
        tracing::info!(%owner, token = %name, by = %caller, "token revoked");
        Ok(position.revision)
    }

    /// Whether a token that somebody presents is accepted, for this, from there. One that is, counts as used.
    /// Without a scope, whoever asks judges what the token is for. A directory that does not answer is an error, and never a
    /// refusal.
    pub async fn check_token(
        &self,
        presented: &str,
        scope: Option<Scope>,
        source: IpAddr,
    ) -> Result<Checked> {
        let attempt = Attempt { scope, source: Some(source) };
        let checked = self.judge_token(presented, attempt).await?;
        let uuid = checked.token.as_ref().filter(|_| checked.is_accepted()).map(|token| token.uuid.clone());
        if let Some(uuid) = uuid {
            self.token_uses.note(TokenUse {
                uuid,
                at: self.clock.unix_seconds(),
                source: source.to_canonical(),
            });
        }
        Ok(checked)
    }

    /// What would become of a token that somebody holds. Users learn what concerns their own.
    pub async fn explain_token(&self, caller: &Caller, presented: &str, attempt: Attempt) -> Result<Checked> {
        caller.may(Operation::CheckTokens)?;
        let checked = self.judge_token(presented, attempt).await?;
        let is_own = |own: &Name| match (&checked.token, &checked.objections[..]) {
            (Some(token), _) => token.owner.name == *own,
            (None, [Objection::Malformed(_)]) => true,
            _ => false,
        };
        match caller {
            Caller::User(own) if !is_own(own) => Ok(Checked::refused(Objection::Unknown)),
            _ => Ok(checked),
        }
    }

    async fn judge_token(&self, presented: &str, attempt: Attempt) -> Result<Checked> {
        let secret = match TokenSecret::parse(presented) {
            Ok(secret) => secret,
            Err(error) => return Ok(Checked::refused(Objection::Malformed(error))),
        };
        let token = match self.directory.token(&secret.hash()).await? {
            TokenLookup::Found(token) => *token,
            TokenLookup::Revoked(gone) => return Ok(Checked::refused(Objection::Revoked(gone))),
            TokenLookup::Unknown => return Ok(Checked::refused(Objection::Unknown)),
        };
        let owner = &token.owner;
        let hidden = self.current_rules().objection_to_user(owner.name, owner.uid, owner.gid);
        let mut objections = token.objections(attempt, self.clock.today(), hidden);
        objections.extend(self.is_refused(&owner.uuid).then_some(Objection::OwnerRefused(owner.name)));
        Ok(Checked { token: Some(token), objections })
    }

    /// Writes down the last uses of tokens. What cannot be written waits for the next time.
    pub async fn write_token_uses(&self) {
        let uses = self.token_uses.take();
        let mut unwritten = uses.chunks(MAX_TOKEN_USES_A_TRANSACTION);
        while let Some(batch) = unwritten.next() {
            if let Err(error) = self.directory.note_token_uses(batch).await {
                tracing::warn!(%error, "the last uses of tokens are not written down yet");
                batch.iter().chain(unwritten.flatten()).for_each(|once| self.token_uses.note(once.clone()));
                return;
            }
        }
    }
}

/// Whose tokens somebody means who names nobody.
fn owner(caller: &Caller, named: Option<Name>) -> Result<Name> {
    let own = match caller {
        Caller::Admin(own) | Caller::User(own) => Some(*own),
        Caller::Root | Caller::Other(_) | Caller::Bearer(_) => None,
    };
    named.or(own).ok_or_else(|| {
        Error::invalid("owner", "say whose token: it belongs to a user of Pody, which you are not")
    })
}

fn new_secret() -> TokenSecret {
    let mut random = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).expect("getrandom(2) does not fail once Linux has booted");
    TokenSecret::from_random(&random)
}
