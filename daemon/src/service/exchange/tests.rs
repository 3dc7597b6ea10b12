use std::time::Duration;

use serde_json::json;
use tokio::time::advance;

use super::*;

fn claims(issued_at: i64) -> Claims {
    Claims::of(&json!({ "sub": "sub-ada", "iat": issued_at }))
}

#[test]
fn a_token_is_spent_once_however_its_signature_is_written() {
    let exchanges = Exchanges::default();
    let spend = |token: &str, now| exchanges.spend(token, &claims(1000), now);
    spend("header.claims.signature", 1000).unwrap();
    for again in ["header.claims.signature", "header.claims.another", "header.claims."] {
        assert!(matches!(spend(again, 1000), Err(Error::Refused(_))), "{again}");
    }
    spend("header.others.signature", 1000).unwrap();
}

#[test]
fn tokens_that_prove_nothing_any_more_make_room() {
    let exchanges = Exchanges::default();
    let spend = |token: usize, now| exchanges.spend(&format!("{token}.signature"), &claims(1000), now);
    (0..MAX_EXCHANGED_TOKENS).for_each(|token| spend(token, 1000).unwrap());
    let last = 1000 + MAX_ID_TOKEN_AGE_SECONDS;
    assert!(matches!(spend(MAX_EXCHANGED_TOKENS, last), Err(Error::Busy(_))));
    assert!(matches!(spend(0, last), Err(Error::Busy(_) | Error::Refused(_))), "the first is not forgotten");
    spend(MAX_EXCHANGED_TOKENS, last + 1).unwrap();
    assert_eq!(exchanges.spent.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_brings_tokens_without_end() {
    let exchanges = Exchanges::default();
    let all = |from: &str| (0..1000).filter(|_| exchanges.count(from).is_ok()).count();
    assert_eq!(
        (all("uid 1000"), all("192.0.2.7")),
        (EXCHANGES_A_MINUTE as usize, EXCHANGES_A_MINUTE as usize)
    );
    advance(EXCHANGES_COUNTED_FOR - Duration::from_millis(1)).await;
    assert_eq!(all("uid 1000"), 0);
    advance(Duration::from_millis(1)).await;
    assert_eq!(all("uid 1000"), EXCHANGES_A_MINUTE as usize);

    (0..MAX_EXCHANGERS).for_each(|one| drop(exchanges.count(&one.to_string())));
    assert!(exchanges.count("one more").is_err(), "there is no room");
    advance(EXCHANGES_COUNTED_FOR).await;
    exchanges.count("one more").unwrap();
    assert_eq!(exchanges.counted.lock().unwrap().len(), 1);
}
