//! `/v1/users`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use identity::{Name, Uid};
use protocol::directory::{Done, UsersReply};

use super::fields::Fields;
use super::given::InPath;
use super::page::{Paging, page, size};
use super::version::{Shown, seen};
use super::{Asked, Asking, Code, Http, Problem, Sent, Visitor};
use crate::directory::{Directory, Error, Key, Member, UserChange};
use crate::doors::record::{self, fitting, names, parse, parse_change, parse_option};
use crate::limits::MAX_PAGE;
use crate::service::{NewAccount, Service};

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new()
        .route("/v1/users", get(list::<D>).post(create::<D>))
        .route("/v1/users/{name}", get(show::<D>).patch(update::<D>).delete(delete::<D>))
}

/// The user that a path speaks of.
pub(super) fn named(text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|why| Error::no_user(format_args!("of this name: {why}")).into())
}

async fn list<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Asked(Paging { after, limit }): Asked<Paging>,
) -> Result<Response, Problem> {
    let (after, size) = (parse_option("after", after.as_deref())?, size(limit.as_deref(), MAX_PAGE)?);
    let found = http.service.users(&caller, after, size).await?;
    let users = found.items.into_iter().map(|member| {
        let hidden = http.service.objection(&member);
        record::user(member, hidden)
    });
    let (users, some_stay) = fitting(users.collect());
    let (last, more) = (users.last().map(|user| user.name.clone()), found.more || some_stay);
    Ok(page(&UsersReply { users, more }, more, last, size, ""))
}

async fn show<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let member = http.service.user(&caller, Key::Name(named(&name)?)).await?;
    Ok(shown(&http.service, member).unless_held(&headers))
}

async fn create<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Extension(visitor): Extension<Visitor>,
    Asking(caller): Asking,
    Sent(mut fields): Sent<Fields>,
) -> Result<Response, Problem> {
    let name = parse("name", &fields.needed_text("name")?)?;
    let account = NewAccount {
        uid: fields.id("uid")?.map(Uid),
        group: parse_option("group", fields.text("group")?.as_deref())?,
        gecos: parse_option("gecos", fields.text("gecos")?.as_deref())?,
        email: parse_option("email", fields.text("email")?.as_deref())?,
        home: parse_option("home", fields.text("home")?.as_deref())?,
        shell: parse_option("shell", fields.text("shell")?.as_deref())?,
        expires_at: parse_option("expires_at", fields.text("expires_at")?.as_deref())?,
        is_admin: fields.flag("is_admin")?.unwrap_or_default(),
        groups: names("groups", &fields.texts("groups")?)?,
        password: fields.secret("password")?,
        reuse_name: fields.flag("reuse_name")?.unwrap_or_default(),
    };
    fields.end()?;
    may_make_admins(visitor, account.is_admin)?;
    let member = http.service.create_user(&caller, name, account).await?;
    let location = format!("/v1/users/{name}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown(&http.service, member)).into_response())
}

async fn update<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Extension(visitor): Extension<Visitor>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    headers: HeaderMap,
    Sent(mut fields): Sent<Fields>,
) -> Result<Response, Problem> {
    if fields.is_empty() {
        return Err(Problem::new(Code::InvalidInput, "say what to change").about("body"));
    }
    fields.stay(&["new_name", "home", "shell", "state", "is_admin"])?;
    let change = UserChange {
        name: parse_option("new_name", fields.text("new_name")?.as_deref())?,
        gecos: parse_option("gecos", fields.change("gecos")?.as_deref())?,
        email: parse_change("email", fields.change("email")?.as_deref())?,
        home: parse_option("home", fields.text("home")?.as_deref())?,
        shell: parse_option("shell", fields.text("shell")?.as_deref())?,
        state: fields.text("state")?.as_deref().map(record::state).transpose()?,
        expires_at: parse_change("expires_at", fields.change("expires_at")?.as_deref())?,
        is_admin: fields.flag("is_admin")?,
        if_revision: seen(&headers)?,
    };
    fields.end()?;
    may_make_admins(visitor, change.is_admin == Some(true))?;
    let member = http.service.update_user(&caller, named(&name)?, change).await?;
    Ok(shown(&http.service, member).into_response())
}

async fn delete<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    headers: HeaderMap,
) -> Result<Json<Done>, Problem> {
    let revision = http.service.delete_user(&caller, named(&name)?, seen(&headers)?).await?;
    Ok(Json(Done { revision }))
}

/// Whoever can read along on the way can also write along.
pub(super) fn may_make_admins(visitor: Visitor, is_admin: bool) -> Result<(), Problem> {
    if is_admin && !visitor.is_private() {
        return Err(Problem::new(
            Code::NeedsTls,
            "over plain http nobody is made an admin: use https, or podyctl on the node that serves",
        )
        .about("is_admin"));
    }
    Ok(())
}

fn shown<D: Directory>(service: &Service<D>, member: Member) -> Shown {
    let hidden = service.objection(&member);
    let record = record::user(member, hidden);
    Shown::new(record.revision, &record)
}
