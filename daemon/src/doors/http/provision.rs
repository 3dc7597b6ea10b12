//! People who log in on another node: what is kept for them before they have, who vouches for them, and who they are. What
//! proves that somebody is who they say is checked by the service, whatever the node that asks has checked.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, post};
use axum::{Json, Router};
use protocol::directory::Done;

use super::fields::Fields;
use super::given::InPath;
use super::users::named;
use super::{Asking, Code, Http, Problem, Sent};
use crate::directory::{Directory, Error, Identity};
use crate::doors::record::{page_size, parse, parse_option};
use crate::limits::{MAX_EXPORT_PAGE, MAX_ID_TOKEN_BYTES};
use crate::service::Operation;
use crate::wire::{
    IdentitiesPage, IdentitiesPageReply, IdentityBody, ProvisionReply, ReservationReply, ReserveBody,
};

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new()
        .route("/v1/provision", post(provision::<D>))
        .route("/v1/reservations", post(reserve::<D>))
        .route("/v1/reservations/{uuid}", delete(release::<D>))
        .route("/v1/identities/page", post(page::<D>))
        .route("/v1/users/{name}/identities", post(link::<D>))
}

async fn provision<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(mut fields): Sent<Fields>,
) -> Result<Json<ProvisionReply>, Problem> {
    caller.may(Operation::Provision)?;
    let id_token = fields.secret("id_token")?.unwrap_or_default();
    let (name, reserved) = (parse("name", &fields.needed_text("name")?)?, fields.text("reserved")?);
    fields.end()?;
    if id_token.is_empty() || id_token.len() > MAX_ID_TOKEN_BYTES {
        let text = format!("it has 1 to {MAX_ID_TOKEN_BYTES} bytes");
        return Err(Error::invalid("id_token", text).into());
    }
    configured(&http)?;
    let (arrived, position) = http.service.arrive_by_token(&caller, name, reserved, id_token).await?;
    Ok(Json(ProvisionReply::new(arrived, &position)))
}

async fn reserve<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(ReserveBody { name, seconds }): Sent<ReserveBody>,
) -> Result<Json<ReservationReply>, Problem> {
    caller.may(Operation::Provision)?;
    let name = parse("name", &name)?;
    configured(&http)?;
    let kept = http.service.reserve_elsewhere(&caller, name, seconds).await?;
    Ok(Json(ReservationReply::new(&kept, http.service.clock.unix_seconds())))
}

fn configured<D: Directory>(http: &Http<D>) -> Result<(), Problem> {
    if http.service.knows_a_provider() {
        return Ok(());
    }
    Err(Problem::new(
        Code::ProvisioningNotConfigured,
        "this service has no OpenID provider by which it could tell who somebody is: an admin sets one ([oidc] of its \
         config.toml), or adds users (POST /v1/users)",
    ))
}

async fn release<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(uuid): InPath<String>,
) -> Result<StatusCode, Problem> {
    http.service.release_elsewhere(&caller, &uuid).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn page<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(IdentitiesPage { owner, after, limit }): Sent<IdentitiesPage>,
) -> Result<Json<IdentitiesPageReply>, Problem> {
    let owner = parse_option("owner", owner.as_deref())?;
    let after = after.map(|(issuer, subject)| Identity::new(&issuer, &subject)).transpose()?;
    let page =
        http.service.identities(&caller, owner, after, page_size(Some(limit), MAX_EXPORT_PAGE)).await?;
    Ok(Json((&page).into()))
}

async fn link<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    Sent(body): Sent<IdentityBody>,
) -> Result<Json<Done>, Problem> {
    let (name, identity) = (named(&name)?, body.identity()?);
    let revision = match body.present {
        true => http.service.link(&caller, name, identity).await?,
        false => http.service.unlink(&caller, name, identity).await?,
    };
    Ok(Json(Done { revision }))
}
