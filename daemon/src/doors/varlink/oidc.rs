//! `org.pody.Oidc`.

use protocol::oidc::{Check, Checked, Step};

use super::Handle;
use crate::directory::{Directory, Result};
use crate::service::{Caller, OidcCheck, Service};

impl<D: Directory> Handle<D> for Check {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<Checked> {
        let (oidc, checks) = service.check_oidc(caller).await?;
        Ok(Checked {
            issuer: oidc.issuer.to_string(),
            client_id: oidc.client_id.to_string(),
            from_environment: oidc.from_environment,
            steps: checks.into_iter().map(step).collect(),
        })
    }
}

fn step(OidcCheck { name, outcome }: OidcCheck) -> Step {
    let passed = outcome.is_ok();
    let message = outcome.unwrap_or_else(|error| error.to_string());
    Step { step: name.into(), passed, message }
}
