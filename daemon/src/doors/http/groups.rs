//! `/v1/groups`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use identity::{Gid, Name};
use protocol::directory::{Done, GroupRecord, GroupsReply};
use serde::{Deserialize, Serialize};

use super::fields::Fields;
use super::given::InPath;
use super::page::{Paging, page, size};
use super::version::{Shown, seen};
use super::{Asked, Asking, Http, Problem, Sent, users};
use crate::directory::{Directory, Error, Key, Team};
use crate::doors::record::{self, parse, parse_option};
use crate::limits::{MAX_MEMBERS_PAGE, MAX_PAGE};

pub(super) fn routes<D: Directory>() -> Router<Arc<Http<D>>> {
    Router::new()
        .route("/v1/groups", get(list::<D>).post(create::<D>))
        .route("/v1/groups/{name}", get(show::<D>).delete(delete::<D>))
        .route("/v1/groups/{name}/members", get(members::<D>))
        .route("/v1/groups/{name}/members/{user}", put(add::<D>).delete(remove::<D>))
}

pub(super) fn named(text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|why| Error::no_group(format_args!("of this name: {why}")).into())
}

/// A group, and whether it has more members than are shown with it.
#[derive(Serialize)]
struct GroupReply {
    #[serde(flatten)]
    group: GroupRecord,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
}

#[derive(Serialize)]
struct MembersReply {
    members: Vec<String>,
    more: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    after: Option<String>,
    limit: Option<String>,
    private: Option<String>,
}

async fn list<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Asked(Listing { after, limit, private }): Asked<Listing>,
) -> Result<Response, Problem> {
    let (after, size) = (parse_option("after", after.as_deref())?, size(limit.as_deref(), MAX_PAGE)?);
    let private = parse_option("private", private.as_deref())?.unwrap_or_default();
    let found = http.service.groups(&caller, after, size, private).await?;
    let last = found.items.last().map(|team| team.group.name.to_string());
    let groups = found.items.into_iter().map(record::group).collect();
    let options = if private { "&private=true" } else { "" };
    Ok(page(&GroupsReply { groups, more: found.more }, found.more, last, size, options))
}

async fn show<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let team = http.service.group(&caller, Key::Name(named(&name)?)).await?;
    Ok(shown(team).unless_held(&headers))
}

async fn create<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    Sent(mut fields): Sent<Fields>,
) -> Result<Response, Problem> {
    let name = parse("name", &fields.needed_text("name")?)?;
    let gid = fields.id("gid")?.map(Gid);
    let reuse_name = fields.flag("reuse_name")?.unwrap_or_default();
    fields.end()?;
    let team = http.service.create_group(&caller, name, gid, reuse_name).await?;
    let location = format!("/v1/groups/{name}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown(team)).into_response())
}

async fn delete<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    headers: HeaderMap,
) -> Result<Json<Done>, Problem> {
    let revision = http.service.delete_group(&caller, named(&name)?, seen(&headers)?).await?;
    Ok(Json(Done { revision }))
}

async fn members<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath(name): InPath<String>,
    Asked(Paging { after, limit }): Asked<Paging>,
) -> Result<Response, Problem> {
    let after: Option<Name> = parse_option("after", after.as_deref())?;
    let size = size(limit.as_deref(), MAX_MEMBERS_PAGE as u32)?;
    let team = http.service.group(&caller, Key::Name(named(&name)?)).await?;
    let behind = team.members.iter().filter(|member| after.is_none_or(|after| **member > after));
    let mut members: Vec<_> = behind.take(size as usize + 1).map(Name::to_string).collect();
    let more = members.len() > size as usize;
    members.truncate(size as usize);
    let last = members.last().cloned();
    Ok(page(&MembersReply { members, more }, more, last, size, ""))
}

async fn add<D: Directory>(
    http: State<Arc<Http<D>>>,
    asking: Asking,
    path: InPath<(String, String)>,
) -> Result<Json<Done>, Problem> {
    set_member(http, asking, path, true).await
}

async fn remove<D: Directory>(
    http: State<Arc<Http<D>>>,
    asking: Asking,
    path: InPath<(String, String)>,
) -> Result<Json<Done>, Problem> {
    set_member(http, asking, path, false).await
}

async fn set_member<D: Directory>(
    State(http): State<Arc<Http<D>>>,
    Asking(caller): Asking,
    InPath((group, user)): InPath<(String, String)>,
    present: bool,
) -> Result<Json<Done>, Problem> {
    let (group, user) = (named(&group)?, users::named(&user)?);
    let revision = http.service.set_members(&caller, group, vec![user], present).await?;
    Ok(Json(Done { revision }))
}

fn shown(mut team: Team) -> Shown {
    let more = team.members.len() > MAX_MEMBERS_PAGE;
    team.members.truncate(MAX_MEMBERS_PAGE);
    let group = record::group(team);
    Shown::new(group.revision, &GroupReply { group, more })
}
