//! `/v1/provision`: users who come to be when they first log in on another node. Who may ask is settled; what proves that
//! somebody is who they say is not there yet.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::fields::Fields;
use super::{Asking, Code, Http, Problem, Sent};
use crate::directory::Directory;
use crate::service::Operation;

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new().route("/v1/provision", post(provision::<D>))
}

async fn provision<D: Directory>(
    State(_): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(mut fields): Sent<Fields>,
) -> Result<(), Problem> {
    caller.may(Operation::Provision)?;
    fields.needed_text("id_token")?;
    fields.end()?;
    Err(Problem::new(
        Code::ProvisioningNotConfigured,
        "this service creates nobody at their first login: an admin adds users (POST /v1/users)",
    ))
}
