//! Servers end with the test, however that ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use servers::{Options, PgBouncer, Postgres, TursoDb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, interval};

/// Tells this same test, run by itself, to start servers, to write down where, and to wait for its end.
const VICTIM: &str = "PODY_TESTS_VICTIM";

#[tokio::test]
async fn nothing_survives_a_test_that_is_killed() {
    if let Some(told) = std::env::var_os(VICTIM) {
        be_the_victim(Path::new(&told)).await;
    }
    let told = std::env::temp_dir().join(format!("pody-victim-{}", std::process::id()));
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_survives_a_test_that_is_killed", "--nocapture"])
        .env(VICTIM, &told)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(|| {
        assert!(victim.try_wait().unwrap().is_none(), "the victim ended by itself");
        told.exists()
    })
    .await;
    let places: Vec<PathBuf> = fs::read_to_string(&told).unwrap().lines().map(PathBuf::from).collect();
    fs::remove_file(&told).unwrap();
    assert_eq!(places.iter().filter(|place| runs_in(place)).count(), 4, "{places:?}");

    victim.kill().unwrap();
    victim.wait().unwrap();
    until(|| !places.iter().any(|place| place.exists())).await;
    assert!(!places.iter().any(|place| runs_in(place)));
}

#[tokio::test]
async fn tursodb_answers() {
    let server = TursoDb::start().await;
    let body = r#"{"requests":[{"type":"execute","stmt":{"sql":"SELECT 41 + 1"}}]}"#;
    let address = server.url().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v2/pipeline HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(r#"{"type":"integer","value":"42"}"#), "{answer}");
}

async fn be_the_victim(tell: &Path) -> ! {
    // One of each sort: shared and owned, at work and frozen.
    let (postgres, mariadb) = (servers::postgres().await, servers::mariadb().await);
    let pooler = PgBouncer::start(&postgres.fresh_database().await).await;
    let mut frozen = Postgres::start(Options::default()).await;
    frozen.freeze();
    let places = [postgres.directory(), mariadb.directory(), pooler.directory(), frozen.directory()];
    let text: String = places.iter().map(|place| format!("{}\n", place.display())).collect();
    let unfinished = tell.with_extension("new");
    fs::write(&unfinished, text).unwrap();
    fs::rename(unfinished, tell).unwrap();
    std::future::pending().await
}

/// Whether some process has its working directory there, be it removed by now.
fn runs_in(place: &Path) -> bool {
    let works_there = |process: fs::DirEntry| {
        fs::read_link(process.path().join("cwd"))
            .is_ok_and(|directory| directory.to_string_lossy().starts_with(place.to_string_lossy().as_ref()))
    };
    fs::read_dir("/proc").unwrap().flatten().any(works_there)
}

async fn until(mut condition: impl FnMut() -> bool) {
    let (deadline, mut ticks) =
        (Instant::now() + Duration::from_secs(60), interval(Duration::from_millis(10)));
    while !condition() {
        assert!(Instant::now() < deadline, "waited a minute in vain");
        ticks.tick().await;
    }
}
