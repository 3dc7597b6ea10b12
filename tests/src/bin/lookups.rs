//! `lookups COUNT NAME…`: asks the C library for each name in turn, by name and then by the id that came
//! first, COUNT times in all, and says how many answers were wrong or failed and how slow the slowest were.
//!
//! The stories run it beside another that asks for local accounts alone, which is the control.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::unistd::User;

/// Slower than this is worth counting: an in-process lookup takes microseconds.
const SLOW: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let names: Vec<String> = arguments.collect();
    let known: Vec<User> = names.iter().filter_map(|name| User::from_name(name).ok().flatten()).collect();
    if count == 0 || known.is_empty() || known.len() != names.len() {
        report("usage: lookups COUNT NAME..., with names that exist");
        return ExitCode::FAILURE;
    }
    let tally = look_up(&known, count);
    report(&tally.to_string());
    if tally.wrong + tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Tally {
    wrong: u64,
    failed: u64,
    slow: u64,
    slowest: Duration,
}

fn look_up(known: &[User], count: u64) -> Tally {
    let mut tally = Tally::default();
    for (number, expected) in (0..count).zip(known.iter().cycle()) {
        let start = Instant::now();
        let found =
            if number % 2 == 0 { User::from_name(&expected.name) } else { User::from_uid(expected.uid) };
        let took = start.elapsed();
        match found {
            Ok(Some(user)) if user == *expected => {}
            Ok(_) => tally.wrong += 1,
            Err(_) => tally.failed += 1,
        }
        tally.slow += u64::from(took > SLOW);
        tally.slowest = tally.slowest.max(took);
    }
    tally
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { wrong, failed, slow, slowest } = self;
        write!(f, "wrong {wrong} failed {failed} slower-than-5ms {slow} slowest-us {}", slowest.as_micros())
    }
}

#[expect(clippy::print_stdout, reason = "this program's output is what it is for")]
fn report(line: &str) {
    println!("{line}");
}
