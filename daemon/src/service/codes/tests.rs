use std::collections::BTreeSet;

use tokio::time::advance;

use super::*;
use crate::testing::{add_user, name};

const MINUTE: Duration = Duration::from_secs(60);

async fn users(names: &[&str]) -> Vec<User> {
    let node = crate::testing::TestNode::start().await;
    let mut users = Vec::new();
    for name in names {
        users.push(add_user(node.directory(), name).await.user);
    }
    users
}

fn issue(codes: &LoginCodes, user: &User) -> String {
    codes.issue(user, MINUTE, Grounds::Provider).unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_code_is_good_once_for_one_user_and_for_a_while() {
    let [ada, bob] = &users(&["ada", "bob"]).await[..] else { panic!() };
    tokio::time::pause();
    let codes = LoginCodes::default();
    let code = issue(&codes, ada);
    assert!(codes.redeem(bob.name, &code).is_none(), "another user");
    assert_eq!(codes.redeem(ada.name, &code).unwrap().uuid, ada.uuid);
    assert!(codes.redeem(ada.name, &code).is_none(), "twice");

    let code = issue(&codes, ada);
    advance(MINUTE - Duration::from_millis(1)).await;
    let last = issue(&codes, ada);
    assert!(codes.redeem(ada.name, &code).is_some(), "just in time");
    advance(MINUTE).await;
    assert!(codes.redeem(ada.name, &last).is_none(), "late");
    assert!(codes.good().is_empty(), "nothing is kept of it");
}

#[tokio::test]
async fn a_code_can_be_read_aloud_and_typed_carelessly() {
    let [ada] = &users(&["ada"]).await[..] else { panic!() };
    let codes = LoginCodes::default();
    let spellings: [fn(&str) -> String; 5] = [
        |code| code.to_lowercase(),
        |code| code.replace('-', ""),
        |code| format!(" {} ", code.replace('-', " ")),
        |code| code.replace('0', "O").replace('1', "l"),
        |code| code.replace('0', "o").replace('1', "I"),
    ];
    for spell in spellings {
        let code = issue(&codes, ada);
        assert!(code.len() <= 64 && code.split('-').all(|group| group.len() == GROUP), "{code}");
        assert!(codes.redeem(ada.name, &spell(&code)).is_some(), "{code}");
    }
    let code = issue(&codes, ada);
    for wrong in ["", "-", &code[1..], &format!("{code}0"), &code.replace('-', "_"), "ÄÖÜß", &"0".repeat(100)]
    {
        assert!(codes.redeem(ada.name, wrong).is_none(), "{wrong}");
    }
    let seen: BTreeSet<String> = (0..1000).map(|_| LoginCode::random().expose().to_owned()).collect();
    assert_eq!(seen.len(), 1000);
    assert_eq!(format!("{:?}", LoginCode::random()), "LoginCode");
}

#[tokio::test]
async fn codes_are_bounded_for_each_user_and_in_all_and_never_keep_root_out() {
    let everybody: Vec<String> =
        (0..=MAX_LOGIN_CODES / MAX_LOGIN_CODES_PER_USER).map(|number| format!("user{number}")).collect();
    let everybody = users(&everybody.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let codes = LoginCodes::default();
    let (last, others) = everybody.split_last().unwrap();
    for user in others {
        (0..MAX_LOGIN_CODES_PER_USER).for_each(|_| drop(issue(&codes, user)));
        assert!(codes.issue(user, MINUTE, Grounds::Provider).is_err(), "{}", user.name);
    }
    assert!(codes.issue(last, MINUTE, Grounds::Provider).is_err(), "there is no room");
    let by_root = codes.issue(last, MINUTE, Grounds::BreakGlass("a reason".into())).unwrap();
    let redeemed = codes.redeem(name(last.name.as_str()), by_root.expose()).unwrap();
    assert_eq!(redeemed.grounds, Grounds::BreakGlass("a reason".into()));
}
