//! `org.pody.Token`.

use identity::Name;
use protocol::directory::{Done, Secret};
use protocol::token::{self, Check, Create, Created, List, Revoke, TokenKey, TokensReply};

use super::Handle;
use crate::directory::{Attempt, Directory, Error, Networks, Objection, Result, Scope, Scopes, TokenName};
use crate::doors::record::{self, fitting, page_size, parse, parse_option, secret};
use crate::limits::MAX_PAGE;
use crate::service::{Caller, Checked, Operation, Service, TokenRequest};

impl<D: Directory> Handle<D> for Create {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Created> {
        let scopes = self.scopes.iter().map(|text| parse("scopes", text)).collect::<Result<Vec<Scope>>>()?;
        let networks = self.networks.iter().map(|text| parse("networks", text)).collect::<Result<_>>()?;
        let request = TokenRequest {
            owner: parse_option("owner", self.owner.as_deref())?,
            name: parse("name", &self.name)?,
            scopes: Scopes::new(scopes).unwrap_or(Scopes::OF_USERS),
            networks: Networks::new(networks).map_err(|error| Error::invalid("networks", error))?,
            expires_at: parse_option("expires_at", self.expires_at.as_deref())?,
        };
        let (token, secret) = service.create_token(caller, request).await?;
        Ok(Created { token: record::token(token), secret: Secret(secret.expose().to_owned()) })
    }
}

impl<D: Directory> Handle<D> for List {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<TokensReply> {
        let owner = parse_option("owner", self.owner.as_deref())?;
        let after = self.after.as_ref().map(key).transpose()?;
        let page = service.tokens(caller, owner, after, page_size(self.limit, MAX_PAGE)).await?;
        let (tokens, some_stay) = fitting(page.items.into_iter().map(record::token).collect());
        Ok(TokensReply { tokens, more: page.more || some_stay })
    }
}

impl<D: Directory> Handle<D> for Revoke {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Done> {
        let owner = parse_option("owner", self.owner.as_deref())?;
        let revision = service.revoke_token(caller, owner, parse("name", &self.name)?).await?;
        Ok(Done { revision })
    }
}

impl<D: Directory> Handle<D> for Check {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<token::Checked> {
        let presented = secret(self.token);
        let attempt = Attempt {
            scope: parse_option("scope", self.scope.as_deref())?,
            source: parse_option("source", self.source.as_deref())?,
        };
        let checked = match (self.is_use, attempt) {
            (false, attempt) => service.explain_token(caller, &presented, attempt).await?,
            (true, Attempt { scope: Some(scope), source: Some(source) }) => {
                caller.may(Operation::AcceptTokens)?;
                service.check_token(&presented, Some(scope), source).await?
            }
            (true, _) => {
                return Err(Error::invalid("is_use", "a use is for a scope and from an address: give both"));
            }
        };
        Ok(wire(checked))
    }
}

fn key(TokenKey { owner, name }: &TokenKey) -> Result<(Name, TokenName)> {
    Ok((parse("after", owner)?, parse("after", name)?))
}

fn wire(checked: Checked) -> token::Checked {
    token::Checked {
        accepted: checked.is_accepted(),
        objections: checked.objections.iter().map(Objection::to_string).collect(),
        token: checked.token.map(record::token),
    }
}
