//! Every kind of hash against the tool that makes it. Where the tool draws the salt itself, the command
//! stands beside what it printed.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;

const PASSWORD: &str = "correct horse";
const UNICODE: &str = "Räumlichkeiten 12€";

/// Hashes of "correct horse" (and, for Pody's own, of the user ada).
const VECTORS: [(&str, HashKind); 16] = [
    // printf 'correct horse' | argon2 somesaltsomesalt -id -k 64 -t 2 -p 1 -l 32 -e
    (
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE",
        HashKind::Argon2id,
    ),
    // … -k 19456 -t 2 -p 1 -l 32
    (
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$k9ohroejZy1PN5E1SbHNPug6vB8eQAahb5SOAp6iGF4",
        HashKind::Argon2id,
    ),
    // … -k 128 -t 3 -p 4 -l 24
    (
        "$argon2id$v=19$m=128,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$4UPD0Kq3NM5xKhX9AYZQH/j8WwIbgknz",
        HashKind::Argon2id,
    ),
    // mkpasswd -m yescrypt -R 1 'correct horse'
    ("$y$j75$43qUA.0Kpv5HEvayALCdm/$xaHr456sJ8US9zxLxe6ovfoJILw9yLL8re6/dTugZ35", HashKind::Yescrypt),
    // mkpasswd -m yescrypt -R 3 'correct horse'
    ("$y$j7T$4MBDhESHFE1HRtMBu9415/$FT/bok2ibyZCQOngTZ4iBjlEaXIajIC0McgHmZwMgj8", HashKind::Yescrypt),
    // mkpasswd -m yescrypt 'correct horse'
    ("$y$j9T$I2HW/REgDBoa6oP2zWqc61$CcI3kf1cWdX8ps8PMfIuO1vQKt39th7Xh6GVrwLXx21", HashKind::Yescrypt),
    // mkpasswd -m sha512crypt 'correct horse'
    (
        "$6$2020kl5jgkSID6D4$nOvffjwR1/gZxHKGGukaVBGIcBagPq9DXfWk.jzP6qboRZNF1FYKDFUahtQW5xV/6PXMQTYkWQ9rmuZyWfC.N0",
        HashKind::Sha512Crypt,
    ),
    // mkpasswd -m sha512crypt -R 10000 'correct horse'
    (
        "$6$rounds=10000$4zBUVC3gFw2RHfQN$TxXNuBjjQ4d3eg5M.wmoDKiuZ59DpkjGfrb.yuaOv8f5q5EhynqQZ9WWUFvKP/BbI9plyzDoDbd49IwBIAX5u0",
        HashKind::Sha512Crypt,
    ),
    // mkpasswd -m sha256crypt 'correct horse'
    ("$5$QED4547I6B8M9NxN$HddpoIsuC/TlKIhTz4JFP/04XRuRnWTS6eBfJNbsuaB", HashKind::Sha256Crypt),
    // openssl passwd -5 'correct horse'
    ("$5$EUzUz8r/l6cMymh1$2TFHYGkLXbXYVmY2jZTHWpOyZPjMRzu7T9qLGOoI1t2", HashKind::Sha256Crypt),
    // mkpasswd -m bcrypt-a -R 5 'correct horse'
    ("$2a$05$SoauAr6Mruw6AFURk2GmQeS6mxXSl4VBzGr9t3HucOo5V5Qnk7Dfa", HashKind::Bcrypt),
    // mkpasswd -m bcrypt -R 5 'correct horse'
    ("$2b$05$GhitfcwB47s05grNVxU4QOyDCnHIJKLTNj7VX779PYEiQEshHFZsi", HashKind::Bcrypt),
    // htpasswd -nbB -C 5 ada 'correct horse'
    ("$2y$05$/UnbwNQ8eMOhSUSsbaja/O3xU6WkXCVvhZzcpoepHNXtnRzueOWX.", HashKind::Bcrypt),
    // openssl passwd -apr1 'correct horse'
    ("$apr1$Lxhv2UK/$S/flRXfQPFcNrgMK8TG7T0", HashKind::Apr1),
    // htpasswd -nbm ada 'correct horse'
    ("$apr1$u8SQnz5N$CPv3AUOoRDAP9VraBzN6N0", HashKind::Apr1),
    // printf 'ada:correct horse' | sha256sum
    ("sha256:439523d6c3f800aa36092f6dbfe20e6b89545ef17ffb5b71a30f3988f11cbd05", HashKind::PodySha256),
];

fn cheap() -> Argon2Parameters {
    Argon2Parameters::new(64, 1, 1).unwrap()
}

fn verify(hash: &str, password: &str) -> bool {
    let name = Name::new(b"ada").unwrap();
    let mut memory = Memory::for_hashes_of(cheap());
    PasswordHash::parse(hash).unwrap().verify(&name, password.as_bytes(), &mut memory)
}

#[test]
fn what_other_tools_hashed_is_verified() {
    for (hash, kind) in VECTORS {
        assert_eq!(PasswordHash::parse(hash).map(|hash| hash.kind()), Ok(kind), "{hash}");
        assert!(verify(hash, PASSWORD), "{hash}");
        for wrong in ["correct hors", "correct horse ", "Correct horse", "x"] {
            assert!(!verify(hash, wrong), "{hash} {wrong}");
        }
    }
}

#[test]
fn passwords_of_all_lengths_and_in_unicode_are_verified() {
    for (hash, password) in [
        // openssl passwd -apr1 -salt 12345678 PASSWORD
        ("$apr1$12345678$zbBEMgfXu4mAHPrplrtNt.", "x"),
        ("$apr1$12345678$N6/6gDA9p/.pYmvR41SFH0", UNICODE),
        ("$apr1$12345678$Tji1IV8EatZLyrVx7JvFs0", &"y".repeat(90)),
        // openssl passwd -6 -salt saltsalt PASSWORD
        (
            "$6$saltsalt$8RWsOfwR6M6PpnoeQiEiWzNTPo1f0HjVYjDnLZhGx16aBFRkeqiHAzfXP/LgrOWMBMXqiU2pLrXsSOHNUyUm91",
            "x",
        ),
        (
            "$6$saltsalt$N8s4f2AJTKMg3y2LYJRbez17VrxzzzKwe.afEubFPb/wG3t4TRNwRW8VrwyxPun09icDywziXzzz3tm7tIUiH/",
            UNICODE,
        ),
        (
            "$6$saltsalt$94z652o9tjCtJKRGY.sZuI5jtIbiBhB4e7gY8wJt80eENCQ5hpDIJq6z6mK5vhnL6fSNYAWulFR96DFu/5FeX.",
            &"y".repeat(90),
        ),
        // mkpasswd -m bcrypt -R 5 PASSWORD
        ("$2b$05$qxHTU1FxtzD2Om6eKngBUuKONluYzyQ4SxS8UKHJA.zNSjvixfGvm", UNICODE),
    ] {
        assert!(verify(hash, password), "{hash} {password}");
        assert!(!verify(hash, &format!("{password}x")), "{hash} {password}");
    }
}

#[test]
fn bcrypt_refuses_what_it_would_cut_off() {
    // htpasswd -nbB -C 4 ada $(printf 'z%.0s' $(seq 72))
    let hash = "$2y$04$J3w4apSHb.XSRgF1WlmhpOSgrVfkkqyiLfa4af51BIVIUx9ESDT7a";
    assert!(verify(hash, &"z".repeat(72)));
    assert!(!verify(hash, &"z".repeat(73)), "the 73rd byte must not be ignored");
}

#[test]
fn podys_own_old_hash_belongs_to_the_name() {
    let hash = PasswordHash::parse(VECTORS[15].0).unwrap();
    let mut memory = Memory::for_hashes_of(cheap());
    assert!(!hash.verify(&Name::new(b"bob").unwrap(), PASSWORD.as_bytes(), &mut memory));
    assert!(verify(&VECTORS[15].0.to_uppercase().replace("SHA256", "sha256"), PASSWORD));
}

#[test]
fn openssl_and_we_agree() {
    for length in [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 200] {
        let password: String = ('!'..='~').cycle().take(length).collect();
        for (option, salt) in [("-apr1", "a"), ("-apr1", "Salt/.12"), ("-5", "x"), ("-6", "0123456789abcdef")]
        {
            let Some(hash) = openssl_passwd(option, salt, &password) else {
                println!("skipped: there is no openssl here");
                return;
            };
            assert!(verify(&hash, &password), "{hash} {password}");
            assert!(!verify(&hash, &password[1..]), "{hash} {password}");
        }
    }
}

fn openssl_passwd(option: &str, salt: &str, password: &str) -> Option<String> {
    let mut openssl = Command::new("openssl")
        .args(["passwd", option, "-salt", salt, "-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    openssl.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

#[test]
fn what_is_no_hash_to_keep_is_refused_with_the_reason() {
    for (text, reason) in [
        ("", HashError::Empty),
        ("x", HashError::InShadow),
        ("*", HashError::NoPassword),
        ("!", HashError::NoPassword),
        ("!!", HashError::NoPassword),
        ("!*", HashError::NoPassword),
        ("*LK*", HashError::NoPassword),
        ("!$6$saltsalt$8RWsOfwR6M6PpnoeQi", HashError::Locked),
        ("!!$y$j9T$a$b", HashError::Locked),
        // htpasswd -nbs ada 'correct horse'
        ("{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=", HashError::Sha1),
        // htpasswd -nbd ada 'correct'
        ("3EZCMY2II0NBA", HashError::Des),
        // mkpasswd -m md5crypt x
        ("$1$CzhaD5pC$b2kbIaALZalPPPEHqj.s01", HashError::Md5Crypt),
        // printf 'correct horse' | argon2 somesaltsomesalt -i -k 128 -t 3 -p 4 -l 24 -e
        (
            "$argon2i$v=19$m=128,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$y2BX9Z6s19IZB59Gi0p6+MJXgFibrzi+",
            HashError::Unknown,
        ),
        ("$2x$05$GhitfcwB47s05grNVxU4QOyDCnHIJKLTNj7VX779PYEiQEshHFZsi", HashError::Unknown),
        ("correct horse battery staple", HashError::Unknown),
    ] {
        assert_eq!(PasswordHash::parse(text), Err(reason), "{text}");
        assert!(text.len() < 5 || !reason.to_string().contains(text), "the message shows the secret: {text}");
    }
}

#[test]
fn a_hash_that_would_stall_logins_is_refused() {
    let argon2id =
        |parameters| format!("$argon2id$v=19${parameters}$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0");
    let sha512 = |rounds| VECTORS[7].0.replace("10000", rounds);
    let bcrypt = |cost| VECTORS[11].0.replace("$05$", cost);
    let yescrypt = |cost| VECTORS[5].0.replace("j9T", cost);
    for (hash, kind) in [
        (argon2id("m=1048577,t=1,p=1"), HashKind::Argon2id),
        (argon2id("m=4294967295,t=1,p=1"), HashKind::Argon2id),
        (argon2id("m=64,t=17,p=1"), HashKind::Argon2id),
        (argon2id("m=1024,t=1,p=17"), HashKind::Argon2id),
        (argon2id("m=1048576,t=5,p=1"), HashKind::Argon2id),
        (sha512("1000001"), HashKind::Sha512Crypt),
        (sha512("999999999"), HashKind::Sha512Crypt),
        (bcrypt("$16$"), HashKind::Bcrypt),
        (bcrypt("$31$"), HashKind::Bcrypt),
        (yescrypt("jGT"), HashKind::Yescrypt),
        (yescrypt("jUT"), HashKind::Yescrypt),
    ] {
        assert_eq!(PasswordHash::parse(&hash), Err(HashError::TooCostly(kind)), "{hash}");
    }
    for hash in [
        argon2id("m=1048576,t=4,p=16"),
        sha512("1000000"),
        bcrypt("$15$"),
        // crypt(3)'s highest cost: mkpasswd -m yescrypt -R 11
        yescrypt("jFT"),
    ] {
        assert!(PasswordHash::parse(&hash).is_ok(), "{hash}");
    }
}

#[test]
fn what_only_begins_like_a_hash_is_malformed() {
    for hash in [
        "$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE",
        "$argon2id$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE",
        "$argon2id$v=19$t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE",
        "$argon2id$v=19$m=64,t=2,p=1,data=YWJj$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE",
        "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE",
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$uL2hQzJmxaz0TfmKK6uN",
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHRzb21lc2FsdA",
        "$y$j9T$I2HW/REgDBoa6oP2zWqc61$CcI3kf1cWdX8ps8PMfIuO1vQKt39th7Xh6GVrwLXx2",
        "$y$j9T/.2$I2HW/REgDBoa6oP2zWqc61$CcI3kf1cWdX8ps8PMfIuO1vQKt39th7Xh6GVrwLXx21",
        "$y$.9T$I2HW/REgDBoa6oP2zWqc61$CcI3kf1cWdX8ps8PMfIuO1vQKt39th7Xh6GVrwLXx21",
        "$y$j9T$",
        "$5$rounds=999$EUzUz8r/l6cMymh1$2TFHYGkLXbXYVmY2jZTHWpOyZPjMRzu7T9qLGOoI1t2",
        "$5$rounds=x$EUzUz8r/l6cMymh1$2TFHYGkLXbXYVmY2jZTHWpOyZPjMRzu7T9qLGOoI1t2",
        "$6$EUzUz8r/l6cMymh1$2TFHYGkLXbXYVmY2jZTHWpOyZPjMRzu7T9qLGOoI1t2",
        "$5$",
        "$2b$05$GhitfcwB47s05grNVxU4QOyDCnHIJKLTNj7VX779PYEiQEshHFZs",
        "$2b$03$GhitfcwB47s05grNVxU4QOyDCnHIJKLTNj7VX779PYEiQEshHFZsi",
        "$apr1$123456789$N6/6gDA9p/.pYmvR41SFH0",
        "$apr1$12345678$N6/6gDA9p/.pYmvR41SFH",
        "sha256:439523d6",
        "sha256:+39523d6c3f800aa36092f6dbfe20e6b89545ef17ffb5b71a30f3988f11cbd05",
    ] {
        assert!(matches!(PasswordHash::parse(hash), Err(HashError::Malformed(_))), "{hash}");
    }
    let endless = format!("$5${}", "x".repeat(100_000));
    assert_eq!(PasswordHash::parse(&endless), Err(HashError::Malformed(HashKind::Sha256Crypt)));
}

#[test]
fn a_new_hash_is_argon2id_as_the_reference_tool_makes_it() {
    let password = NewPassword::parse(Zeroizing::new(PASSWORD.to_owned()), 8).unwrap();
    for (parameters, expected) in [((64, 2, 1), VECTORS[0].0), ((19_456, 2, 1), VECTORS[1].0)] {
        let parameters = Argon2Parameters::new(parameters.0, parameters.1, parameters.2).unwrap();
        let mut memory = Memory::for_hashes_of(parameters);
        let hash = PasswordHash::new(&password, parameters, b"somesaltsomesalt", &mut memory);
        assert_eq!(hash.as_str(), expected);
        assert_eq!(PasswordHash::parse(hash.as_str()), Ok(hash));
    }
}

#[test]
fn every_hash_but_a_current_one_is_to_be_replaced() {
    let current = Argon2Parameters::new(64, 2, 1).unwrap();
    for (hash, _) in VECTORS {
        assert_eq!(PasswordHash::parse(hash).unwrap().needs_rehash(current), hash != VECTORS[0].0, "{hash}");
    }
    let short_salt = "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$uL2hQzJmxaz0Tfm2KK6uNjA0+UvbrHBEBwVmJYrNXCE";
    assert!(PasswordHash::parse(short_salt).unwrap().needs_rehash(current));
}

#[test]
fn nothing_matches_the_hash_of_nobody() {
    let hash = PasswordHash::unmatchable(cheap());
    assert_eq!(PasswordHash::parse(hash.as_str()).as_ref(), Ok(&hash));
    assert!(!hash.needs_rehash(cheap()), "it must cost what a current one costs");
    assert!(!verify(hash.as_str(), PASSWORD));
}

#[test]
fn no_hash_shows_in_debug_output() {
    assert_eq!(format!("{:?}", PasswordHash::parse(VECTORS[0].0).unwrap()), "PasswordHash(argon2id)");
}

#[test]
fn passwords_nobody_can_have_are_wrong_for_every_kind() {
    for (hash, _) in VECTORS {
        assert!(
            !verify(hash, "") && !verify(hash, "correct horse\0") && !verify(hash, &"x".repeat(1025)),
            "{hash}"
        );
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_keeps_the_text(text in "(\\$(argon2id|y|6|5|2b|apr1)\\$|sha256:|!|\\{)?[ -~äß$]{0,120}") {
        if let Ok(hash) = PasswordHash::parse(&text) {
            prop_assert_eq!(hash.as_str(), text);
        }
    }

    /// Whatever parses can be verified: the invariants that verifying expects are those that parsing checks.
    #[test]
    fn a_damaged_hash_is_refused_or_matches_nothing(
        vector in prop::sample::select(vec![0, 2, 13, 15]),
        position in any::<prop::sample::Index>(),
        byte in b' '..=b'~',
    ) {
        let mut damaged = VECTORS[vector].0.as_bytes().to_vec();
        let position = position.index(damaged.len());
        let same_digit = damaged[position].eq_ignore_ascii_case(&byte);
        damaged[position] = byte;
        if let Ok(damaged) = String::from_utf8(damaged) && !same_digit && PasswordHash::parse(&damaged).is_ok() {
            prop_assert!(!verify(&damaged, PASSWORD), "{}", damaged);
        }
    }
}
