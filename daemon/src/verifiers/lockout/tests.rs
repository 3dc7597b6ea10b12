use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000;

fn rules() -> Lockout {
    Lockout {
        user_failures: 3,
        source_failures: 5,
        first_wait: Duration::from_secs(2),
        longest_wait: Duration::from_secs(60),
        forget_after: Duration::from_secs(3600),
    }
}

fn ada() -> Subject {
    Subject::User(Name::new(b"ada").unwrap())
}

/// The record after failures at these seconds, each of them allowed.
fn failed(subject: &Subject, times: impl IntoIterator<Item = i64>) -> Option<Record> {
    times
        .into_iter()
        .fold(None, |record, now| Some(after_failure(&rules(), subject.clone(), record.as_ref(), now)))
}

#[test]
fn the_free_failures_lock_nobody() {
    assert_eq!(judge(&rules(), None, NOW), Judgement::Allowed);
    let record = failed(&ada(), [NOW; 3]);
    assert_eq!(judge(&rules(), record.as_ref(), NOW), Judgement::Allowed);
}

#[test]
fn each_failure_beyond_the_free_ones_doubles_the_wait_up_to_the_longest() {
    let waits = [2, 4, 8, 16, 32, 60, 60];
    let mut record = failed(&ada(), [NOW; 3]);
    let mut now = NOW;
    for wait in waits {
        record = Some(after_failure(&rules(), ada(), record.as_ref(), now));
        assert_eq!(judge(&rules(), record.as_ref(), now), Judgement::LockedUntil(now + wait));
        assert_eq!(judge(&rules(), record.as_ref(), now + wait - 1), Judgement::LockedUntil(now + wait));
        now += wait;
        assert_eq!(judge(&rules(), record.as_ref(), now), Judgement::Allowed);
    }
}

#[test]
fn a_source_has_free_failures_of_its_own() {
    let source = Subject::source(Some("192.0.2.7"));
    assert_eq!(judge(&rules(), failed(&source, [NOW; 5]).as_ref(), NOW), Judgement::Allowed);
    assert_eq!(judge(&rules(), failed(&source, [NOW; 6]).as_ref(), NOW), Judgement::LockedUntil(NOW + 2));
}

#[test]
fn this_machine_is_counted_but_never_locked() {
    let record = failed(&Subject::Local, [NOW; 1000]).unwrap();
    assert_eq!((record.failures, record.locked_until), (1000, None));
}

#[test]
fn failures_are_forgotten_after_a_while() {
    let record = failed(&ada(), [NOW; 9]);
    let later = NOW + 3600;
    assert_eq!(after_failure(&rules(), ada(), record.as_ref(), later - 1).failures, 10);
    assert_eq!(after_failure(&rules(), ada(), record.as_ref(), later).failures, 1);
    assert_eq!(forgotten_before(&rules(), later), NOW);
}

#[test]
fn a_clock_that_was_set_back_locks_nobody_out_for_years() {
    let record = failed(&ada(), [NOW; 9]);
    let past = NOW - 10 * 365 * 86_400;
    assert_eq!(judge(&rules(), record.as_ref(), past), Judgement::Allowed);
    let record = after_failure(&rules(), ada(), record.as_ref(), past);
    assert_eq!(record.failures, 10, "the count goes on");
    assert_eq!(judge(&rules(), Some(&record), past), Judgement::LockedUntil(past + 60));
}

#[test]
fn a_longest_wait_that_was_lowered_helps_at_once() {
    let record = failed(&ada(), [NOW; 9]);
    let lowered = Lockout { longest_wait: Duration::from_secs(5), ..rules() };
    assert_eq!(judge(&lowered, record.as_ref(), NOW + 4), Judgement::LockedUntil(NOW + 5));
    assert_eq!(judge(&lowered, record.as_ref(), NOW + 5), Judgement::Allowed);
}

#[test]
fn sources_are_folded_to_what_one_attacker_holds() {
    for (rhost, key) in [
        (None, "local"),
        (Some(""), "local"),
        (Some("localhost"), "local"),
        (Some("127.0.0.53"), "local"),
        (Some("::1"), "local"),
        (Some("::ffff:127.0.0.1"), "local"),
        (Some("192.0.2.7"), "source:192.0.2.7"),
        (Some("::ffff:192.0.2.7"), "source:192.0.2.7"),
        (Some("2001:db8:1:2:3:4:5:6"), "source:2001:db8:1:2::/64"),
        (Some("2001:DB8:1:2::9"), "source:2001:db8:1:2::/64"),
        (Some("fe80::1%eth0"), "source:fe80::/64"),
        (Some("Host.Example.ORG."), "source:host.example.org"),
        (Some("UNKNOWN"), "source:unknown"),
        (Some("no host\nat all"), "source:unreadable"),
        (Some("<script>"), "source:unreadable"),
    ] {
        let subject = Subject::source(rhost);
        assert_eq!(subject.to_string(), key, "{rhost:?}");
        assert_eq!(key.parse(), Ok(subject), "{key}");
    }
    assert_eq!(Subject::source(Some(&"x".repeat(254))).to_string(), "source:unreadable");
    assert_eq!("user:ada".parse(), Ok(ada()));
    for bad in ["", "ada", "user:", "user:Ada", "source:", "local:x"] {
        assert_eq!(bad.parse::<Subject>(), Err(NotASubject), "{bad:?}");
    }
}

fn any_rules() -> impl Strategy<Value = Lockout> {
    (0..20_u32, 0..20_u32, 0..100_000_u64, 1..1_000_000_u64, 0..10_000_000_u64).prop_map(
        |(user_failures, source_failures, first, longest, forget)| Lockout {
            user_failures,
            source_failures,
            first_wait: Duration::from_millis(first),
            longest_wait: Duration::from_secs(longest),
            forget_after: Duration::from_secs(forget),
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    (any::<u32>(), any::<i64>(), any::<Option<i64>>()).prop_map(|(failures, last_failure, locked_until)| {
        Record { subject: ada(), failures, last_failure, locked_until }
    })
}

proptest! {
    #[test]
    fn no_lock_is_longer_than_the_longest_wait(rules in any_rules(), record in any_record(), now in any::<i64>()) {
        for record in [&record, &after_failure(&rules, ada(), Some(&record), now)] {
            if let Judgement::LockedUntil(until) = judge(&rules, Some(record), now) {
                let longest = i64::try_from(rules.longest_wait.as_secs()).unwrap();
                prop_assert!(now < until && until.saturating_sub(now) <= longest);
            }
        }
    }

    #[test]
    fn waits_never_shrink_as_failures_add_up(rules in any_rules(), failures in 1..200_u32) {
        let mut record = None;
        let mut last_wait = 0;
        for _ in 0..failures {
            let next = after_failure(&rules, ada(), record.as_ref(), NOW);
            let wait = next.locked_until.map_or(0, |until| until - NOW);
            prop_assert!(wait >= last_wait);
            last_wait = wait;
            record = Some(next);
        }
    }

    #[test]
    fn who_waits_long_enough_may_try_whatever_the_clock_did(
        rules in any_rules(),
        clock in prop::collection::vec(-1_000_000_000..4_000_000_000_i64, 1..20),
    ) {
        let mut record = None;
        for now in &clock {
            record = Some(after_failure(&rules, ada(), record.as_ref(), *now));
        }
        let longest = i64::try_from(rules.longest_wait.as_secs()).unwrap();
        let last = record.as_ref().map_or(0, |record| record.last_failure);
        for free in [last + longest, last - 1] {
            prop_assert_eq!(judge(&rules, record.as_ref(), free), Judgement::Allowed);
        }
    }

    #[test]
    fn what_is_forgotten_counts_for_nothing(rules in any_rules(), failures in 1..100_u32, more in 0..1_000_000_i64) {
        let record = failed(&ada(), vec![NOW; failures as usize]).unwrap();
        let forgotten = NOW + (NOW - forgotten_before(&rules, NOW)) + more;
        prop_assert_eq!(judge(&rules, Some(&record), forgotten), Judgement::Allowed);
        prop_assert_eq!(after_failure(&rules, ada(), Some(&record), forgotten).failures, 1);
    }

    #[test]
    fn every_rhost_has_a_key_that_reads_back(rhost in "\\PC{0,40}|[0-9a-f:.%]{0,40}") {
        let subject = Subject::source(Some(&rhost));
        prop_assert_eq!(subject.to_string().parse(), Ok(subject));
    }
}

#[test]
fn another_node_counts_failures_for_the_same_source() {
    for rhost in [
        "192.0.2.7",
        "2001:db8:1:2:3::4",
        "fe80::1%eth0",
        "::ffff:192.0.2.7",
        "Host.example.",
        "",
        "no host!",
    ] {
        let here = Subject::source(Some(rhost));
        assert_eq!(Subject::source(Some(here.host())), here, "{rhost}");
    }
}
