use identity::{Gecos, Gid, Uid};

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

fn token() -> Token {
    let owner = User {
        uuid: "owner".into(),
        name: "ada".parse().unwrap(),
        uid: Uid(7000),
        gid: Gid(7000),
        gecos: Gecos::EMPTY,
        email: None,
        home: "/home/ada".parse().unwrap(),
        shell: "/bin/sh".parse().unwrap(),
        state: State::Active,
        expires_at: None,
        is_admin: false,
        revision: 1,
    };
    Token {
        uuid: "token".into(),
        hash: TokenSecret::from_random(&[7; 32]).hash(),
        owner,
        name: "backup".parse().unwrap(),
        scopes: "read,write".parse().unwrap(),
        networks: "192.0.2.0/24 2001:db8::/32".parse().unwrap(),
        expires_at: Some(Day(100)),
        created_at: 0,
        last_use: None,
        revision: 2,
    }
}

#[test]
fn a_token_is_what_scanners_look_for_and_is_read_back() {
    for random in [[0; 32], [0xff; 32], std::array::from_fn(|index| index as u8 * 7)] {
        let secret = TokenSecret::from_random(&random);
        let text = secret.expose();
        assert_eq!((text.len(), &text[..5]), (63, "pody_"));
        assert!(text[5..].bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')), "{text}");
        assert_eq!(TokenSecret::parse(text).unwrap().hash(), secret.hash());
        assert!(!format!("{secret:?} {:?}", secret.hash()).contains(&text[5..15]));
    }
    let first = TokenSecret::from_random(&[0x11; 32]);
    assert!(first.expose().starts_with("pody_cei"), "RFC 4648 writes 00010 00100 01000 like this");
    let [one, other] = [[1; 32], [2; 32]].map(|random| TokenSecret::from_random(&random).hash());
    assert_ne!(one, other);
    assert_eq!(one.to_string().parse(), Ok(one));
    for wrong in [String::new(), "0".repeat(63), "g".repeat(64), "é".repeat(32)] {
        assert!(wrong.parse::<TokenHash>().is_err(), "{wrong}");
    }
}

#[test]
fn what_was_cut_off_or_mistyped_is_told_and_never_repeated() {
    let secret = TokenSecret::from_random(&[42; 32]);
    let good = secret.expose();
    let wrong = |text: &str| TokenSecret::parse(text).unwrap_err();
    assert_eq!(wrong(""), SecretError::Prefix);
    assert_eq!(wrong("ghp_abc"), SecretError::Prefix);
    assert_eq!(wrong(&good[..40]), SecretError::Length(40));
    assert_eq!(wrong(&format!("{good}\n")), SecretError::Length(64));
    assert_eq!(wrong(&format!("pody_{}", "é".repeat(29))), SecretError::Checksum);
    for position in 5..good.len() {
        for instead in [b'a', b'z', b'7', b'A', b'0'] {
            let mut bytes = good.as_bytes().to_vec();
            bytes[position] = instead;
            let text = String::from_utf8(bytes).unwrap();
            if text != good {
                assert_eq!(wrong(&text), SecretError::Checksum, "position {position}");
            }
        }
    }
    for error in [SecretError::Prefix, SecretError::Length(40), SecretError::Checksum] {
        assert!(!Objection::Malformed(error).to_string().contains(&good[5..10]));
    }
}

#[test]
fn a_name_is_lower_case_and_short() {
    for good in ["backup", "0", "a.b-c_d", &"x".repeat(64)] {
        assert_eq!(good.parse::<TokenName>().unwrap().as_str(), good);
    }
    for bad in ["", "-x", ".x", "_x", "Backup", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
        assert!(bad.parse::<TokenName>().is_err(), "{bad}");
    }
}

#[test]
fn scopes_are_a_set_in_which_none_stands_for_another() {
    let scopes: Scopes = "write,read,write".parse().unwrap();
    assert_eq!(scopes.to_string(), "read,write");
    assert!(scopes.holds(Scope::Read) && scopes.holds(Scope::Write) && !scopes.holds(Scope::Authenticate));
    assert!(!scopes.are_within(Scopes::OF_USERS));
    assert!("read".parse::<Scopes>().unwrap().are_within(Scopes::OF_USERS));
    assert!(!"authenticate".parse::<Scopes>().unwrap().are_within(Scopes::OF_USERS));
    for bad in ["", "all", "read,", "Read", "read write"] {
        assert!(bad.parse::<Scopes>().is_err(), "{bad}");
    }
    assert_eq!(Scopes::new([]), None);
}

#[test]
fn a_network_holds_its_addresses_and_no_others() {
    let table = [
        ("192.0.2.0/24", &["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"][..], &["192.0.3.0", "::1"][..]),
        ("192.0.2.7", &["192.0.2.7"], &["192.0.2.6"]),
        ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], &["::", "2001:db8::1"]),
        ("10.0.0.0/8", &["10.255.0.1"], &["11.0.0.0", "9.255.255.255"]),
        ("192.0.2.128/25", &["192.0.2.128"], &["192.0.2.127"]),
        ("2001:db8::/32", &["2001:db8::1", "2001:db8:ffff::"], &["2001:db9::", "10.0.0.1"]),
        ("2001:db8::1/128", &["2001:db8::1"], &["2001:db8::2"]),
        ("::/0", &["::1", "2001:db8::1"], &["10.0.0.1", "::ffff:10.0.0.1"]),
    ];
    for (text, inside, outside) in table {
        assert!(inside.iter().all(|address| network(text).holds(ip(address))), "{text}");
        assert!(!outside.iter().any(|address| network(text).holds(ip(address))), "{text}");
        assert_eq!(network(&network(text).to_string()), network(text));
    }
}

#[test]
fn what_is_no_network_is_refused_with_what_was_meant() {
    let refused = |text: &str| text.parse::<Network>().unwrap_err();
    for text in [
        "",
        "localhost",
        "192.0.2.0/33",
        "2001:db8::/129",
        "192.0.2.0/",
        "192.0.2.0/+8",
        "192.0.2.0/-1",
        "192.0.2.0/008",
        "192.0.2/24",
        "192.0.2.0/24/1",
        "192.0.2.0/255.255.255.0",
        "fe80::1%eth0",
        "0/0",
    ] {
        assert!(refused(text).contains("no network"), "{text}");
    }
    assert!(refused("192.0.2.7/24").contains("192.0.2.0/24"));
    assert!(refused("::ffff:192.0.2.7").contains("write 192.0.2.7"));
    let networks = |count: usize| vec!["10.0.0.1"; count].join(" ").parse::<Networks>();
    assert!(networks(32).is_ok() && networks(33).unwrap_err().contains("32 networks"));
    assert_eq!(" 10.0.0.0/8  ::1 ".parse::<Networks>().unwrap().to_string(), "10.0.0.0/8 ::1");
    assert!(Networks::default().allow(ip("192.0.2.7")), "an empty list is no restriction");
}

#[test]
fn everything_that_speaks_against_a_token_is_told_apart() {
    let attempt = Attempt { scope: Some(Scope::Write), source: Some(ip("::ffff:192.0.2.7")) };
    assert_eq!(token().objections(attempt, Day(99), None), []);
    assert_eq!(token().objections(Attempt::default(), Day(99), None), [], "what is not asked is not judged");

    let mut owner = token().owner;
    (owner.state, owner.expires_at) = (State::Locked, Some(Day(99)));
    let broken = Token { owner, ..token() };
    let attempt = Attempt { scope: Some(Scope::Authenticate), source: Some(ip("198.51.100.1")) };
    let objections = broken.objections(attempt, Day(100), Some("because".into()));
    let ada: Name = "ada".parse().unwrap();
    assert_eq!(
        objections,
        [
            Objection::Expired(Day(100)),
            Objection::Scope(Scope::Authenticate, broken.scopes),
            Objection::Source(ip("198.51.100.1"), broken.networks.clone()),
            Objection::OwnerLocked(ada),
            Objection::OwnerExpired(ada, Day(99)),
            Objection::OwnerHidden(ada, "because".into()),
        ]
    );
    let words: Vec<_> = objections.iter().map(Objection::to_string).collect();
    assert_eq!(words[1], "it is not for authenticate, but for read,write");
    assert_eq!(words[2], "it may not be used from 198.51.100.1, but from 192.0.2.0/24 2001:db8::/32");
}
