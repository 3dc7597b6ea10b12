//! `/v1/users/NAME/password` and `/v1/users/NAME/authenticate`.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{post, put};
use axum::{Extension, Json, Router};
use protocol::directory::Done;

use super::fields::Fields;
use super::given::InPath;
use super::users::named;
use super::{Asking, Code, Http, Problem, Sent, Visitor};
use crate::directory::{Directory, Judged};
use crate::service::PasswordChange;
use crate::wire::AuthenticateReply;

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new()
        .route("/v1/users/{name}/password", put(set::<D>).delete(remove::<D>))
        .route("/v1/users/{name}/authenticate", post(authenticate::<D>))
}

async fn set<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    Sent(mut fields): Sent<Fields>,
) -> Result<Json<Done>, Problem> {
    let (old, new) = (fields.secret("old")?, fields.secret("password")?);
    let hash = fields.text("password_hash")?;
    fields.end()?;
    let name = named(&name)?;
    let service = &http.service;
    let revision = match (new, hash) {
        (Some(new), None) => {
            service.set_password(&caller, name, PasswordChange { old, new: Some(new) }).await?
        }
        (None, Some(hash)) => service.set_password_hash(&caller, name, old, hash).await?,
        _ => {
            let detail = "give the new password, or its password_hash; DELETE takes a password away";
            return Err(Problem::new(Code::InvalidInput, detail).about("password"));
        }
    };
    Ok(Json(Done { revision }))
}

async fn remove<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
) -> Result<Json<Done>, Problem> {
    let none = PasswordChange { old: None, new: None };
    let revision = http.service.set_password(&caller, named(&name)?, none).await?;
    Ok(Json(Done { revision }))
}

async fn authenticate<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Extension(visitor): Extension<Visitor>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    Sent(mut fields): Sent<Fields>,
) -> Result<Json<AuthenticateReply>, Problem> {
    let rhost = fields.text("rhost")?.unwrap_or_else(|| visitor.address.to_string());
    let password = fields.secret("password")?;
    fields.end()?;
    let Some(password) = password else {
        return Err(Problem::new(Code::InvalidInput, "it is missing").about("password"));
    };
    let judged = match name.parse() {
        Ok(name) => http.service.authenticate(&caller, name, &rhost, password).await?,
        // Nobody can be called that, which is no secret.
        Err(_) => Judged::Wrong,
    };
    Ok(Json(judged.into()))
}
