//! What nodes ask each other for beside the feed, so that what is done on one acts on the directory of the other: batches,
//! memberships, and tokens by their hashes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{post, put};
use axum::{Extension, Json, Router};
use protocol::directory::Done;

use super::given::InPath;
use super::users::may_make_admins;
use super::{Asking, Http, Problem, Sent, Visitor, groups};
use crate::directory::{Directory, Error};
use crate::doors::record::{names, page_size, parse, parse_option};
use crate::limits::{MAX_BATCH, MAX_EXPORT_PAGE, MAX_TOKEN_USES_A_TRANSACTION};
use crate::wire::{
    BatchBody, BatchReply, KeepToken, LookUpToken, MembersBody, TokenReply, TokenUseBody, TokensPage,
    TokensPageReply,
};

/// What comes of the largest batch that podyctl sends, whose users may each bring memberships.
const MAX_BATCH_RECORDS: usize = 3 * MAX_BATCH;

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new()
        .route("/v1/groups/{name}/members", post(members::<D>))
        .route("/v1/tokens/lookup", post(look_up::<D>))
        .route("/v1/tokens/page", post(page::<D>))
        .route("/v1/tokens/uses", post(uses::<D>))
        .route("/v1/tokens/{owner}/{name}", put(keep::<D>))
}

/// The one whose body may be larger.
pub(super) fn batch_routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new().route("/v1/batch", post(batch::<D>))
}

async fn batch<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Extension(visitor): Extension<Visitor>,
    Asking(caller): Asking,
    Sent(body): Sent<BatchBody>,
) -> Result<Json<BatchReply>, Problem> {
    if body.len() > MAX_BATCH_RECORDS {
        let text = format!("a batch has {MAX_BATCH_RECORDS} records at the most");
        return Err(Error::invalid("users", text).into());
    }
    may_make_admins(visitor, body.makes_admins())?;
    let dry_run = body.dry_run;
    let (refused, position) = http.service.create_batch(&caller, body.batch()?, dry_run).await?;
    Ok(Json(BatchReply::new(&refused, &position)))
}

async fn members<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(group): InPath<String>,
    Sent(MembersBody { users, present }): Sent<MembersBody>,
) -> Result<Json<Done>, Problem> {
    if users.len() > MAX_BATCH {
        return Err(Error::invalid("users", format_args!("at most {MAX_BATCH} at a time")).into());
    }
    let group = groups::named(&group)?;
    let revision = http.service.set_members(&caller, group, names("users", &users)?, present).await?;
    Ok(Json(Done { revision }))
}

async fn look_up<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(body): Sent<LookUpToken>,
) -> Result<Json<TokenReply>, Problem> {
    let known = http.service.look_up_token(&caller, &body.hash()?).await?;
    Ok(Json((&known).into()))
}

async fn page<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(TokensPage { owner, after, limit }): Sent<TokensPage>,
) -> Result<Json<TokensPageReply>, Problem> {
    let owner = parse_option("owner", owner.as_deref())?;
    let after = match after {
        Some((owner, name)) => Some((parse("after", &owner)?, parse("after", &name)?)),
        None => None,
    };
    let page = http.service.tokens(&caller, owner, after, page_size(Some(limit), MAX_EXPORT_PAGE)).await?;
    Ok(Json((&page).into()))
}

async fn keep<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath((owner, name)): InPath<(String, String)>,
    Sent(body): Sent<KeepToken>,
) -> Result<Json<Done>, Problem> {
    let token = body.token(&owner, &name, http.service.clock.unix_seconds())?;
    Ok(Json(Done { revision: http.service.keep_token(&caller, token).await? }))
}

async fn uses<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(body): Sent<Vec<TokenUseBody>>,
) -> Result<StatusCode, Problem> {
    if body.len() > MAX_TOKEN_USES_A_TRANSACTION {
        let text = format!("at most {MAX_TOKEN_USES_A_TRANSACTION} at a time");
        return Err(Error::invalid("uses", text).into());
    }
    let now = http.service.clock.unix_seconds();
    let uses = body.into_iter().map(|once| once.token_use(now)).collect::<Result<_, _>>()?;
    http.service.note_token_uses(&caller, uses)?;
    Ok(StatusCode::NO_CONTENT)
}
