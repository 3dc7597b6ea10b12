//! What is counted, and under which words.

use super::*;
use crate::service::Caller;
use crate::testing::{add_user, secret};

/// The value of a line of metrics that begins like this.
fn value(text: &str, line: &str) -> Option<f64> {
    let line = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_say_how_the_node_stands_and_name_nobody() {
    let door = ServedNode::start().await;
    add_user(door.node.directory(), "ada").await;
    door.node.publishing.up_to_date().await;
    for path in ["/v1/users/ada", "/v1/users/eve", "/v1/users/mallory", "/secret-path"] {
        door.request(Method::GET, path).send().await.unwrap();
    }
    door.request(Method::from_bytes(b"SECRET").unwrap(), "/v1/health").send().await.unwrap();
    door.anonymous(Method::GET, "/v1/users").send().await.unwrap();
    let judged = door.node.service.authenticate(
        &Caller::Root,
        "ada".parse().unwrap(),
        "192.0.2.7",
        secret("not the password"),
    );
    judged.await.unwrap();

    let answer = door.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = answer.text().await.unwrap();
    let user = |method, status| {
        let route = "/v1/users/{name}";
        format!(r#"pody_http_requests_total{{method="{method}",route="{route}",status="{status}"}}"#)
    };
    assert_eq!(value(&text, &user("GET", 200)), Some(1.0), "{text}");
    assert_eq!(value(&text, &user("GET", 404)), Some(2.0), "{text}");
    let elsewhere = r#"pody_http_requests_total{method="GET",route="other",status="404"}"#;
    assert_eq!(value(&text, elsewhere), Some(1.0), "{text}");
    let durations = r#"pody_http_request_duration_seconds_count{route="/v1/users/{name}"}"#;
    assert_eq!(value(&text, durations), Some(3.0), "{text}");
    assert_eq!(value(&text, r#"pody_http_turned_away_total{reason="no_token"}"#), Some(1.0), "{text}");
    assert_eq!(value(&text, r#"pody_logins_total{verdict="denied"}"#), Some(1.0), "{text}");
    assert!(value(&text, "pody_http_connections").unwrap() >= 1.0, "{text}");
    let revision = door.node.directory().position().await.unwrap().revision as f64;
    for line in ["pody_directory_revision", "pody_published_revision"] {
        assert_eq!(value(&text, line), Some(revision), "{text}");
    }
    assert_eq!((value(&text, "pody_users"), value(&text, "pody_directory_up")), (Some(1.0), Some(1.0)));
    assert!(value(&text, r#"pody_change_delay_seconds{quantile="1"}"#).is_some(), "{text}");
    assert!(text.ends_with("# EOF\n"));
    for word in ["ada", "eve", "mallory", "secret-path", "SECRET"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_a_node_whose_directory_is_away_say_so() {
    let door = ServedNode::start().await;
    door.node.directory().close().await;
    let text = door.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert_eq!(value(&text, "pody_directory_up"), Some(0.0), "{text}");
    assert_eq!(value(&text, "pody_directory_revision"), None, "nobody knows");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_shows_the_port() {
    let door = ServedNode::start().await;
    door.request(Method::GET, "/v1/users").send().await.unwrap();
    let health =
        async |node: &crate::testing::TestNode| node.service.health(&Caller::Root).await.unwrap().served;
    let served = health(&door.node).await.unwrap();
    assert_eq!((served.port.address, served.port.tls, served.readonly), (door.address, false, false));
    assert_eq!((served.connections, served.requests), (1, 1));
    let node = door.close().await;
    assert!(health(&node).await.is_none(), "it is closed");
}
