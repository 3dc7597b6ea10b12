//! `/v1/login-code`: a provider's ID token for a one-time code. It takes no token of ours, since that one is the proof; what it
//! answers is never kept.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

use super::fields::Fields;
use super::places::household;
use super::{Code, Http, Problem, Sent, Visitor};
use crate::directory::Directory;
use crate::doors::record::parse;
use crate::limits::LOGIN_CODE_LIFETIME;

/// Whoever shows no token of ours: counted before a body is read.
struct Stranger(Visitor);

impl<D: Directory> FromRequestParts<Arc<Http<D>>> for Stranger {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http<D>>) -> Result<Self, Problem> {
        let visitor = *parts.extensions.get::<Visitor>().expect("every connection says where it comes from");
        http.count("", visitor.address)?;
        Ok(Self(visitor))
    }
}

#[derive(Serialize)]
struct LoginCode {
    name: String,
    code: String,
    seconds: u64,
}

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new().route("/v1/login-code", post(exchange::<D>))
}

async fn exchange<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Stranger(visitor): Stranger,
    Sent(mut fields): Sent<Fields>,
) -> Result<Json<LoginCode>, Problem> {
    let id_token = fields.secret("id_token")?;
    let asked = fields.text("name")?;
    fields.end()?;
    let id_token =
        id_token.ok_or_else(|| Problem::new(Code::InvalidInput, "it is missing").about("id_token"))?;
    if !visitor.is_private() {
        return Err(Problem::new(
            Code::NeedsTls,
            "an ID token is exchanged over https alone: whoever reads along could use it, and the code",
        ));
    }
    let asked = asked.map(|name| parse("name", &name)).transpose()?;
    // One customer has a whole network of IPv6 addresses.
    let from = household(visitor.address).to_string();
    let (name, code) = http.service.exchange_token(&from, asked, id_token).await?;
    Ok(Json(LoginCode {
        name: name.to_string(),
        code: code.expose().to_owned(),
        seconds: LOGIN_CODE_LIFETIME.as_secs(),
    }))
}
