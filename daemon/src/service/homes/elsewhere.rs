//! Homes that are below no root of this node: podyd-helper does nothing about them, and an admin is told so once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::User;

use super::Service;
use crate::directory::{Directory, Result};
use crate::limits::MAX_HOMES_ELSEWHERE;

/// Whose session has begun here, with a home elsewhere: identities and homes.
#[derive(Default)]
pub struct Elsewhere(Mutex<BTreeMap<String, String>>);

impl Elsewhere {
    pub(super) fn note(&self, user: &User) {
        let mut all = self.all();
        let is_known = all.get(&user.uuid).is_some_and(|home| home == user.home.as_str());
        if is_known || all.len() >= MAX_HOMES_ELSEWHERE {
            return;
        }
        tracing::warn!(
            user = %user.name,
            home = %user.home,
            "this home is below none of [homes] roots: it is neither made nor put away"
        );
        all.insert(user.uuid.clone(), user.home.to_string());
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Directory> Service<D> {
    /// Who has logged in here since podyd started, and has a home that is still elsewhere, where homes are looked after.
    pub(in super::super) async fn homes_elsewhere(&self) -> Result<Vec<String>> {
        let homes = &self.current_settings().homes;
        if !homes.are_looked_after() {
            return Ok(Vec::new());
        }
        let uuids: Vec<String> = self.elsewhere.all().keys().cloned().collect();
        let mut users: Vec<User> =
            self.directory.present(&uuids, &[]).await?.users.into_iter().map(|member| member.user).collect();
        users.retain(|user| homes.place_of(&user.home).is_none());
        self.elsewhere.all().retain(|uuid, _| users.iter().any(|user| user.uuid == *uuid));
        Ok(users.iter().map(|user| format!("{} ({})", user.name, user.home)).collect())
    }
}
