//! The database behind the directory, over the socket.

use protocol::Error;
use protocol::database::{Copy, DatabaseStatus, Job, JobStatus, Migrate, Status};
use protocol::directory::Secret;

use super::*;
use crate::testing::{add_user, until};

fn copy(config: &str, dry_run: bool) -> Copy {
    Copy { config: Secret(config.to_owned()), file: "/root/new.toml".into(), dry_run }
}

/// Waits for the end of the job that was begun last.
async fn ended(door: &Door) -> std::result::Result<JobStatus, ClientError> {
    until("the job has ended", async || door.call(Job {}).await.map_or(true, |job| job.finished)).await;
    door.call(Job {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_the_database_is_told() {
    let door = Door::open().await;
    add_user(door.node.directory(), "ada").await;
    let status = door.call(Status {}).await.unwrap();
    assert!(status.schema.starts_with("schema ") && status.round_trip_microseconds > 0, "{status:?}");
    let expected = DatabaseStatus {
        directory: "local".into(),
        location: door.node.folder.join("directory.sqlite").display().to_string(),
        reachable: true,
        fits: true,
        revision: 1,
        users: 1,
        groups: 1,
        schema: status.schema.clone(),
        epoch: status.epoch.clone(),
        round_trip_microseconds: status.round_trip_microseconds,
        ..DatabaseStatus::default()
    };
    assert_eq!(status, expected);
    assert!(matches!(door.refused(Job {}).await, Error::NotFound { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_fit_are_left_alone() {
    let door = Door::open().await;
    door.call(Migrate {}).await.unwrap();
    let job = ended(&door).await.unwrap();
    assert!(job.report[0].starts_with("there was nothing to do: schema "), "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_other_configuration_is_told_with_its_place() {
    let door = Door::open().await;
    match door.refused(copy("[backend.libsql]\nurl = \"ftp://x\"\n[nonsense]\n", false)).await {
        Error::InvalidInput { field, message } => {
            assert_eq!(field, "config");
            assert!(message.contains("/root/new.toml:2:7: backend.libsql.url: "), "{message}");
            assert!(message.contains("/root/new.toml:3:"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    door.call(copy("", false)).await.unwrap();
    match ended(&door).await {
        Err(ClientError::Refused(Error::Refused { message })) => {
            assert!(message.contains("where the directory is already"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(feature = "backend-postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_moves_to_postgresql() {
    let door = Door::open().await;
    add_user(door.node.directory(), "ada").await;
    let url = servers::postgres().await.fresh_database().await;
    let config = format!("[backend.postgres]\nurl = \"{url}\"\n");
    for (dry_run, words) in
        [(true, "is ready to take the directory of revision 1: 1 users"), (false, "copied")]
    {
        door.call(copy(&config, dry_run)).await.unwrap();
        let job = ended(&door).await.unwrap();
        assert!(job.report[0].contains(words), "{job:?}");
        assert!(!job.report.join("\n").contains(&url[..30]), "{job:?}");
    }
    let new = crate::store::SqlDirectory::postgres(&url, 2).unwrap();
    assert_eq!(new.counts().await.unwrap().users, 1);
    let status = door.call(Status {}).await.unwrap();
    assert!(status.job.is_some_and(|job| job.finished && job.job == "copy" && job.done == job.total));
}
