//! Tokens between nodes, by their hashes: the text of one is known to whoever holds it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::batch::identity;
use super::object::objects;
use super::record::UserLine;
use super::{parse, parse_option};
use crate::directory::{
    Networks, NewToken, Page, Result, RevokedToken, Scopes, Token, TokenHash, TokenLookup, TokenUse,
};

/// The body of `POST /v1/tokens/lookup`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct LookUpToken {
    /// The SHA-256 of the token's text.
    pub sha256: String,
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TokenReply {
    /// There is one.
    Found(Box<TokenBody>),
    /// There was one.
    Revoked {
        /// Whose it was.
        owner: String,
        /// What it was called.
        name: String,
        /// When it was revoked.
        revision: u64,
    },
    /// None that anybody remembers.
    Unknown,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBody {
    uuid: String,
    sha256: String,
    owner: UserLine,
    name: String,
    scopes: String,
    networks: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_use: Option<(i64, IpAddr)>,
    revision: u64,
}

impl From<&Token> for TokenBody {
    fn from(token: &Token) -> Self {
        Self {
            uuid: token.uuid.clone(),
            sha256: token.hash.to_string(),
            owner: UserLine::from(&token.owner),
            name: token.name.to_string(),
            scopes: token.scopes.to_string(),
            networks: token.networks.to_string(),
            expires_at: token.expires_at.map(|day| day.to_string()),
            created_at: token.created_at,
            last_use: token.last_use,
            revision: token.revision,
        }
    }
}

impl TokenBody {
    fn token(&self) -> Result<Token> {
        Ok(Token {
            uuid: self.uuid.clone(),
            hash: parse("sha256", &self.sha256)?,
            owner: self.owner.user()?,
            name: parse("name", &self.name)?,
            scopes: parse("scopes", &self.scopes)?,
            networks: parse("networks", &self.networks)?,
            expires_at: parse_option("expires_at", self.expires_at.as_deref())?,
            created_at: self.created_at,
            last_use: self.last_use,
            revision: self.revision,
        })
    }
}

impl LookUpToken {
    /// The hash.
    pub fn hash(&self) -> Result<TokenHash> {
        parse("sha256", &self.sha256)
    }
}

impl From<&TokenLookup> for TokenReply {
    fn from(lookup: &TokenLookup) -> Self {
        match lookup {
            TokenLookup::Found(token) => Self::Found(Box::new((&**token).into())),
            TokenLookup::Revoked(RevokedToken { owner, name, revision }) => {
                Self::Revoked { owner: owner.to_string(), name: name.to_string(), revision: *revision }
            }
            TokenLookup::Unknown => Self::Unknown,
        }
    }
}

impl TokenReply {
    /// What is known of the token.
    pub fn lookup(&self) -> Result<TokenLookup> {
        Ok(match self {
            Self::Found(token) => TokenLookup::Found(Box::new(token.token()?)),
            Self::Revoked { owner, name, revision } => TokenLookup::Revoked(RevokedToken {
                owner: parse("owner", owner)?,
                name: parse("name", name)?,
                revision: *revision,
            }),
            Self::Unknown => TokenLookup::Unknown,
        })
    }
}

/// The body of `POST /v1/tokens/page`.
#[derive(Default, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct TokensPage {
    /// Whose; everybody's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// After the token of this owner and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<(String, String)>,
    /// How many at the most.
    pub limit: u32,
}

/// A page of tokens.
#[derive(Serialize, Deserialize)]
pub struct TokensPageReply {
    tokens: Vec<TokenBody>,
    more: bool,
}

impl From<&Page<Token>> for TokensPageReply {
    fn from(page: &Page<Token>) -> Self {
        Self { tokens: page.items.iter().map(TokenBody::from).collect(), more: page.more }
    }
}

objects!(LookUpToken, TokensPage, KeepToken, TokenUseBody);

impl TokensPageReply {
    /// The page.
    pub fn page(&self) -> Result<Page<Token>> {
        let items = self.tokens.iter().map(TokenBody::token).collect::<Result<_>>()?;
        Ok(Page { items, more: self.more })
    }
}

/// The body of `PUT /v1/tokens/OWNER/NAME`: a token whose text another node has made.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct KeepToken {
    uuid: String,
    sha256: String,
    scopes: String,
    #[serde(default)]
    networks: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl From<&NewToken> for KeepToken {
    fn from(token: &NewToken) -> Self {
        Self {
            uuid: token.uuid.clone(),
            sha256: token.hash.to_string(),
            scopes: token.scopes.to_string(),
            networks: token.networks.to_string(),
            expires_at: token.expires_at.map(|day| day.to_string()),
        }
    }
}

impl KeepToken {
    /// The token of this owner and name, created now (in seconds since 1970).
    pub fn token(&self, owner: &str, name: &str, created_at: i64) -> Result<NewToken> {
        let scopes: Scopes = parse("scopes", &self.scopes)?;
        let networks: Networks = parse("networks", &self.networks)?;
        Ok(NewToken {
            uuid: identity(&self.uuid)?,
            hash: parse("sha256", &self.sha256)?,
            owner: parse("owner", owner)?,
            name: parse("name", name)?,
            scopes,
            networks,
            expires_at: parse_option("expires_at", self.expires_at.as_deref())?,
            created_at,
        })
    }
}

/// One of the body of `POST /v1/tokens/uses`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct TokenUseBody {
    uuid: String,
    at: i64,
    source: IpAddr,
}

impl From<&TokenUse> for TokenUseBody {
    fn from(TokenUse { uuid, at, source }: &TokenUse) -> Self {
        Self { uuid: uuid.clone(), at: *at, source: *source }
    }
}

impl TokenUseBody {
    /// The use. One that is not over yet, by the clock here, was made now.
    pub fn token_use(self, now: i64) -> Result<TokenUse> {
        Ok(TokenUse { uuid: identity(&self.uuid)?, at: self.at.min(now), source: self.source })
    }
}
