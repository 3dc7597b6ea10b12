//! Logging in with a browser on this machine: an authorization code that comes back to a loopback address, with PKCE
//! (RFC 7636, RFC 8252). Who opens the browser and who listens there is elsewhere.

use std::fmt;

use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier};
use url::Url;
use url::form_urlencoded;

use super::error::{Error, Result, quoted};
use super::exchange::{Exchanged, SignedIn};
use super::token::ExpectedNonce;
use super::{Provider, exchange};

/// A login whose browser is on its way.
pub struct CodeLogin {
    /// Where the browser goes.
    pub url: Url,
    pub(super) redirect: Url,
    pub(super) state: CsrfToken,
    pub(super) nonce: Nonce,
    pub(super) verifier: PkceCodeVerifier,
}

impl Provider {
    /// Begins a login that ends at `redirect`.
    pub async fn begin_code(&self, redirect: Url) -> Result<CodeLogin> {
        let metadata = self.metadata().await?;
        let mut url = metadata.authorization_endpoint.clone().ok_or_else(|| {
            Error::misconfigured(format!("the provider {} has no page to log in at", self.settings.issuer))
        })?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (state, nonce) = (CsrfToken::new_random(), Nonce::new_random());
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.settings.client_id.as_str())
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("scope", &self.login_scopes())
            .append_pair("state", state.secret())
            .append_pair("nonce", nonce.secret())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", challenge.method());
        // Without the question, a browser gets no refresh token (OpenID Connect Core, section 11).
        if !self.settings.recheck_interval.is_zero() {
            url.query_pairs_mut().append_pair("prompt", "consent");
        }
        Ok(CodeLogin { url, redirect, state, nonce, verifier })
    }

    /// Ends a login with what the browser brought back: the query of the URL that it was sent to. Once only: the login is
    /// used up.
    pub async fn finish_code(&self, login: CodeLogin, query: &str) -> Result<SignedIn> {
        let code = login.code(query, self.settings.issuer.as_str())?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", login.redirect.as_str()),
            ("code_verifier", login.verifier.secret()),
        ];
        match self.exchange(&fields).await? {
            Exchanged::Tokens(tokens) => self.signed_in(tokens, ExpectedNonce::Equal(&login.nonce)).await,
            Exchanged::Pending | Exchanged::TooFast => {
                Err(Error::misconfigured("the provider answers a code as if it were a device's"))
            }
        }
    }
}

impl CodeLogin {
    /// The code, if what came back is an answer to this login, and from this provider (RFC 9207).
    fn code(&self, query: &str, issuer: &str) -> Result<String> {
        let find = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        if find("state").is_none_or(|state| CsrfToken::new(state) != self.state) {
            return Err(Error::denied("what the browser brought is no answer to this login: begin again"));
        }
        if find("iss").is_some_and(|by| by != issuer) {
            return Err(Error::denied("what the browser brought comes from another provider: begin again"));
        }
        match (find("code"), find("error")) {
            (_, Some(error)) => Err(exchange::refused(&error, find("error_description").as_deref())),
            (Some(code), None) => Ok(code),
            (None, None) => Err(Error::denied("the browser brought no code: begin again")),
        }
    }
}

impl fmt::Debug for CodeLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeLogin({})", quoted(self.redirect.as_str()))
    }
}
