//! `/v1/tokens`. The text of a token is in one answer, when it is created, and in no other.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use identity::Name;
use protocol::directory::{Done, Secret};
use protocol::token::{Created, TokensReply};
use serde::Deserialize;

use super::fields::Fields;
use super::given::InPath;
use super::once::NotKept;
use super::page::{page, size};
use super::{Asked, Asking, Code, Http, Problem, Sent};
use crate::directory::{Directory, Error, Networks, Result as Judged, Scope, Scopes, TokenName};
use crate::doors::record::{self, fitting, parse, parse_option};
use crate::limits::MAX_PAGE;
use crate::service::TokenRequest;

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new()
        .route("/v1/tokens", get(list::<D>).post(create::<D>))
        .route("/v1/tokens/{owner}/{name}", axum::routing::delete(revoke::<D>))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    owner: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

async fn list<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Asked(Listing { owner, after, limit }): Asked<Listing>,
) -> Result<Response, Problem> {
    let owner: Option<Name> = parse_option("owner", owner.as_deref())?;
    let (after, size) = (after.as_deref().map(key).transpose()?, size(limit.as_deref(), MAX_PAGE)?);
    let found = http.service.tokens(&caller, owner, after, size).await?;
    let (tokens, some_stay) = fitting(found.items.into_iter().map(record::token).collect());
    let last = tokens.last().map(|token| format!("{}/{}", token.owner, token.name));
    let more = found.more || some_stay;
    let options = owner.map(|owner| format!("&owner={owner}")).unwrap_or_default();
    Ok(page(&TokensReply { tokens, more }, more, last, size, &options))
}

/// The owner and the name of a token.
fn key(text: &str) -> Judged<(Name, TokenName)> {
    let Some((owner, name)) = text.split_once('/') else {
        return Err(Error::invalid("after", "it is OWNER/NAME"));
    };
    Ok((parse("after", owner)?, parse("after", name)?))
}

async fn create<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(mut fields): Sent<Fields>,
) -> Result<Response, Problem> {
    let networks: Vec<_> = fields.texts("networks")?;
    let networks = networks.iter().map(|text| parse("networks", text)).collect::<Judged<_>>()?;
    let request = TokenRequest {
        owner: Some(parse("owner", &fields.needed_text("owner")?)?),
        name: parse("name", &fields.needed_text("name")?)?,
        scopes: scopes(&fields.texts("scopes")?)?,
        networks: Networks::new(networks).map_err(|error| Error::invalid("networks", error))?,
        expires_at: parse_option("expires_at", fields.text("expires_at")?.as_deref())?,
    };
    fields.end()?;
    let (token, secret) = http.service.create_token(&caller, request).await?;
    let location = format!("/v1/tokens/{}/{}", token.owner.name, token.name);
    let created = Created { token: record::token(token), secret: Secret(secret.expose().to_owned()) };
    Ok((StatusCode::CREATED, [(LOCATION, location)], Extension(NotKept), Json(created)).into_response())
}

fn scopes(words: &[String]) -> Judged<Scopes> {
    let scopes = words.iter().map(|text| parse("scopes", text)).collect::<Judged<Vec<Scope>>>()?;
    Ok(Scopes::new(scopes).unwrap_or(Scopes::OF_USERS))
}

async fn revoke<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath((owner, name)): InPath<(String, String)>,
) -> Result<Json<Done>, Problem> {
    let (Ok(owner), Ok(name)) = (owner.parse::<Name>(), name.parse()) else {
        return Err(Problem::new(Code::NotFound, "nobody has a token of this name"));
    };
    let revision = http.service.revoke_token(&caller, Some(owner), name).await?;
    Ok(Json(Done { revision }))
}
