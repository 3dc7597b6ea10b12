//! Disks on bad days: what was counted counts, and nobody is kept out for the sake of counting.

use sqlx::query;

use super::*;
use crate::limits::{MAX_KEPT_ANSWERS, MAX_LOCKOUT_RECORDS};
use crate::testing::{Folder, NOW, until};

const ADA: &str = "user:ada";

async fn open(folder: &Folder) -> NodeStore {
    NodeStore::open(&folder.join("node.sqlite"), NOW).await.unwrap()
}

async fn fail(node: &NodeStore, subject: &str, failures: u32, last_failure: i64) {
    let record = Failures { failures, last_failure, locked_until: None };
    node.settle(&[subject.to_owned()], |_| (vec![record], ())).await;
}

fn counted(node: &NodeStore, subject: &str) -> u32 {
    node.failures(&[subject.to_owned()])[0].as_ref().map_or(0, |record| record.failures)
}

impl NodeStore {
    /// Says what SQLite says when the disk is full, to every writer.
    pub(crate) async fn disk_is_full(&self, full: bool) {
        for write in ["INSERT", "DELETE"] {
            let statement = match full {
                true => format!(
                    "CREATE TRIGGER full_{write} BEFORE {write} ON failures \
                     BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
                ),
                false => format!("DROP TRIGGER full_{write}"),
            };
            query(sqlx::AssertSqlSafe(statement)).execute(&self.pool).await.unwrap();
        }
    }
}

impl NodeStore {
    /// Says the same to whoever is to write down that somebody is refused.
    pub(crate) async fn nobody_can_be_refused(&self, full: bool) {
        let statement = match full {
            true => {
                "CREATE TRIGGER full_refused BEFORE INSERT ON refused \
                 BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
            }
            false => "DROP TRIGGER full_refused",
        };
        query(statement).execute(&self.pool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_while_the_disk_is_full_counts_and_is_written_when_there_is_room() {
    let folder = Folder::new();
    let node = open(&folder).await;
    fail(&node, "user:bob", 3, NOW).await;
    node.disk_is_full(true).await;
    fail(&node, ADA, 1, NOW).await;
    fail(&node, ADA, 2, NOW).await;
    node.clear_failures("user:bob").await;
    assert_eq!((counted(&node, ADA), counted(&node, "user:bob")), (2, 0));
    let told = node.warnings().concat();
    assert!(told.contains("node.sqlite cannot be written") && told.contains("disk is full"), "{told}");

    node.disk_is_full(false).await;
    // As housekeeping does, though nobody fails any more.
    node.forget_failures(0).await;
    assert_eq!(node.warnings(), [""; 0]);
    node.pool.close().await;
    let node = open(&folder).await;
    assert_eq!((counted(&node, ADA), counted(&node, "user:bob")), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_the_trouble_takes_those_before_it_along() {
    let folder = Folder::new();
    let node = open(&folder).await;
    node.disk_is_full(true).await;
    fail(&node, ADA, 5, NOW).await;
    node.disk_is_full(false).await;
    until("a later failure finds that there is room", async || {
        fail(&node, "user:bob", 1, NOW).await;
        node.warnings().is_empty()
    })
    .await;
    node.pool.close().await;
    assert_eq!(counted(&open(&folder).await, ADA), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_kept_and_a_new_one_begun() {
    let folder = Folder::new();
    let path = folder.join("node.sqlite");
    let node = open(&folder).await;
    for number in 0..500 {
        fail(&node, &format!("source:{number}"), 1, NOW).await;
    }
    node.close().await;
    let sound = fs::read(&path).unwrap();
    let half = &sound[..sound.len() / 2];
    let mut torn = sound.clone();
    torn[sound.len() / 2..].fill(0x55);
    for (damaged, now) in [(&b"not a database at all"[..], NOW), (half, NOW + 1), (&torn, NOW + 2)] {
        fs::write(&path, damaged).unwrap();
        let node = NodeStore::open(&path, now).await.unwrap();
        let aside = folder.join(format!("node.sqlite.damaged-2027-01-15T08000{}Z", now - NOW));
        assert_eq!(fs::read(&aside).unwrap(), damaged);
        let told = node.warnings().concat();
        assert!(told.contains(aside.to_str().unwrap()) && told.contains("counted anew"), "{told}");
        fail(&node, ADA, 1, now).await;
        node.close().await;
        assert_eq!(counted(&NodeStore::open(&path, now).await.unwrap(), ADA), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_nobody_wrote_like_that_is_damage_too() {
    let folder = Folder::new();
    let node = open(&folder).await;
    fail(&node, ADA, 1, NOW).await;
    query("UPDATE failures SET failures = -7").execute(&node.pool).await.unwrap();
    node.pool.close().await;
    let node = open(&folder).await;
    assert_eq!((counted(&node, ADA), node.warnings().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_damaged_one_stays_where_it_is() {
    let folder = Folder::new();
    let path = folder.subfolder("node.sqlite");
    assert!(NodeStore::open(&path, NOW).await.is_err());
    assert!(path.is_dir() && fs::read_dir(&*folder).unwrap().count() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_records_make_room_and_those_without_effect_are_deleted() {
    let folder = Folder::new();
    let node = open(&folder).await;
    {
        let mut counted = node.counted();
        for number in 0..=MAX_LOCKOUT_RECORDS {
            let record = Failures { failures: 1, last_failure: NOW + number as i64, locked_until: None };
            counted.set(&format!("source:{number}"), record);
        }
    }
    assert_eq!((counted(&node, "source:0"), counted(&node, "source:1")), (0, 1));
    let newest = format!("source:{MAX_LOCKOUT_RECORDS}");
    node.forget_failures(NOW + MAX_LOCKOUT_RECORDS as i64 - 1).await;
    node.close().await;
    let node = open(&folder).await;
    assert_eq!((counted(&node, "source:1"), counted(&node, &newest)), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_for_a_day_and_there_are_only_so_many() {
    let folder = Folder::new();
    let node = open(&folder).await;
    let answer = |body: Option<&str>| Answer {
        request: [7; 32],
        status: 201,
        etag: Some("\"1\"".into()),
        location: None,
        body: body.map(|text| text.as_bytes().to_vec()),
    };
    node.keep_answer(&[0; 32], &answer(Some("{}")), NOW).await.unwrap();
    node.keep_answer(&[1; 32], &answer(None), NOW + 1).await.unwrap();
    node.pool.close().await;
    let node = open(&folder).await;
    assert_eq!(node.answer(&[0; 32], NOW).await.unwrap(), Some(answer(Some("{}"))));
    assert_eq!(node.answer(&[1; 32], NOW).await.unwrap(), Some(answer(None)));
    assert_eq!(node.answer(&[2; 32], NOW).await.unwrap(), None);
    let tomorrow = NOW + 24 * 60 * 60;
    assert_eq!(node.answer(&[0; 32], tomorrow).await.unwrap(), None);

    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
                INSERT INTO answers SELECT randomblob(32), zeroblob(32), 200, NULL, NULL, NULL, ? FROM n";
    query(fill).bind(MAX_KEPT_ANSWERS).bind(NOW + 2).execute(&node.pool).await.unwrap();
    node.keep_answer(&[2; 32], &answer(None), NOW + 3).await.unwrap();
    let count: u32 = sqlx::query_scalar("SELECT COUNT(*) FROM answers").fetch_one(&node.pool).await.unwrap();
    assert_eq!(count, MAX_KEPT_ANSWERS);
    assert_eq!(node.answer(&[1; 32], NOW).await.unwrap(), None, "the oldest made room");
    assert!(node.answer(&[2; 32], NOW).await.unwrap().is_some());
}
