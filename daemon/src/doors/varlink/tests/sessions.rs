//! Sessions, which belong to the process that calls.

use protocol::Error as WireError;
use protocol::directory::CreateUser;
use protocol::session::{Close, Closed, List, Open, Opened};

use super::Door;

fn open(user: &str) -> Open {
    Open { user: user.into(), service: "sshd".into(), tty: None, rhost: Some("192.0.2.7".into()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_the_process_that_opens_it() {
    let door = Door::open().await;
    door.call(CreateUser { name: "ada".into(), ..CreateUser::default() }).await.unwrap();
    assert_eq!(door.call(open("ada")).await.unwrap(), Opened::default());
    let page = door.call(List::default()).await.unwrap();
    let session = page.sessions.first().unwrap();
    assert_eq!((session.user.as_str(), session.leader), ("ada", std::process::id().cast_signed()));
    assert_eq!((session.id, session.began_at.as_str()), (1, "2027-01-15T08:00:00Z"));
    assert_eq!(door.call(Close {}).await.unwrap(), Closed {});
    let page = door.call(List { user: Some("ada".into()), ..List::default() }).await.unwrap();
    assert!(page.sessions.is_empty() && !page.more);
    let refused = door.refused(open("A B")).await;
    assert!(matches!(refused, WireError::InvalidInput { field, .. } if field == "user"));
    door.close().await;
}
