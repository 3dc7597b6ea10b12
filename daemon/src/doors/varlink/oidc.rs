//! `org.pody.Oidc`.

use identity::Name;
use protocol::login::OneTimeCode;
use protocol::oidc::{BeginLogin, BegunLogin, Check, Checked, ExchangeToken, FinishLogin, Step};

use super::Handle;
use super::login::one_time_code;
use crate::config::Oidc;
use crate::directory::{Directory, Result};
use crate::doors::record::{parse_option, secret};
use crate::limits::LOGIN_CODE_LIFETIME;
use crate::service::{Caller, OidcCheck, Service};

impl<D: Directory> Handle<D> for Check {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Checked> {
        let (oidc, checks) = service.check_oidc(caller).await?;
        Ok(checked(&oidc, checks))
    }
}

/// What was tried at a provider, for the wire.
pub fn checked(oidc: &Oidc, checks: Vec<OidcCheck>) -> Checked {
    Checked {
        issuer: oidc.issuer.to_string(),
        client_id: oidc.client_id.to_string(),
        from_environment: oidc.from_environment,
        steps: checks.into_iter().map(step).collect(),
    }
}

impl<D: Directory> Handle<D> for ExchangeToken {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<OneTimeCode> {
        let id_token = secret(self.id_token);
        let asked: Option<Name> = parse_option("name", self.name.as_deref())?;
        let (name, code) = service.exchange_token(&format!("{caller:?}"), asked, id_token).await?;
        Ok(one_time_code(name, &code, LOGIN_CODE_LIFETIME))
    }
}

impl<D: Directory> Handle<D> for BeginLogin {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<BegunLogin> {
        let (login, url) = service.begin_browser_login(caller, &self.redirect).await?;
        Ok(BegunLogin { login, url: url.into() })
    }
}

impl<D: Directory> Handle<D> for FinishLogin {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<OneTimeCode> {
        let query = secret(self.query);
        let asked: Option<Name> = parse_option("name", self.name.as_deref())?;
        let (name, code) = service.finish_browser_login(caller, &self.login, &query, asked).await?;
        Ok(one_time_code(name, &code, LOGIN_CODE_LIFETIME))
    }
}

fn step(OidcCheck { name, outcome }: OidcCheck) -> Step {
    let passed = outcome.is_ok();
    let message = outcome.unwrap_or_else(|error| error.to_string());
    Step { step: name.into(), passed, message }
}
