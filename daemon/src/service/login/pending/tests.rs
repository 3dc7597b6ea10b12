use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::limits::{LOGIN_LIFETIME, MAX_LOGINS, MAX_LOGINS_PER_CALLER};

fn pending(caller: Caller) -> Pending {
    Pending {
        name: "ada".parse().unwrap(),
        service: "sshd".to_owned(),
        source: Subject::Local,
        ends: Instant::now() + LOGIN_LIFETIME,
        caller,
        stage: Stage::Password,
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_begun_too_long_ago_has_ended() {
    let logins = Logins::default();
    let (early, late) =
        (logins.keep(pending(Caller::Root)).unwrap(), logins.keep(pending(Caller::Root)).unwrap());
    advance(LOGIN_LIFETIME - Duration::from_secs(1)).await;
    assert!(logins.take(&early, &Caller::Root).is_some());
    advance(Duration::from_secs(1)).await;
    assert!(logins.take(&late, &Caller::Root).is_none());
}

#[tokio::test(start_paused = true)]
async fn logins_that_wait_are_limited_and_the_old_make_room() {
    let logins = Logins::default();
    for _ in 0..MAX_LOGINS {
        logins.keep(pending(Caller::Root)).unwrap();
    }
    assert!(matches!(logins.keep(pending(Caller::Root)), Err(Error::Busy(_))));
    advance(LOGIN_LIFETIME).await;
    logins.keep(pending(Caller::Root)).unwrap();
    assert_eq!(logins.logins().len(), 1);
}

/// A user who begins logins and never answers must keep nobody else out.
#[tokio::test(start_paused = true)]
async fn one_user_does_not_take_all_places() {
    let logins = Logins::default();
    let ada = Caller::User("ada".parse().unwrap());
    let kept = (0..MAX_LOGINS).take_while(|_| logins.keep(pending(ada.clone())).is_ok()).count();
    assert_eq!(kept, MAX_LOGINS_PER_CALLER);
    logins.keep(pending(Caller::Root)).unwrap();
    logins.keep(pending(Caller::User("bob".parse().unwrap()))).unwrap();
}
