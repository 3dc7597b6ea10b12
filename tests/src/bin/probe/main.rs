//! `probe STEP…`: one process that looks accounts up through the C library and, between lookups, does to itself
//! what programs do: it closes descriptors, forks, changes its root, runs out of memory.
//!
//! A lookup prints what the C library said: `ada found 1900000000`, `eve absent` or `ada error 74`, an errno.
//! Any other step prints nothing unless it fails, and then ends the process.

mod beside;
mod c_library;
mod steps;

use std::ffi::CString;
use std::process::ExitCode;

use c_library::{Answer, ask};

fn main() -> ExitCode {
    for argument in std::env::args_os().skip(1) {
        let step = std::os::unix::ffi::OsStringExt::into_vec(argument);
        let equals = step.iter().position(|byte| *byte == b'=').unwrap_or(step.len());
        let verb = String::from_utf8_lossy(&step[..equals]).into_owned();
        let value = step.get(equals + 1..).unwrap_or_default();
        if let Err(why) = take(&verb, value) {
            report(&format!("{verb}: {why}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn take(verb: &str, value: &[u8]) -> Result<(), String> {
    let key = CString::new(value).map_err(|_| "holds a NUL")?;
    let text = String::from_utf8_lossy(value).into_owned();
    match verb {
        "user" | "uid" | "group" | "gid" | "groups" => show(&text, ask(verb, &key)),
        // Which services are asked for users, whatever nsswitch.conf says.
        "only" => c_library::configure(c"passwd", &key),
        "await" => steps::await_user(&key)?,
        "beside" => beside::beside(&text)?,
        "control" => beside::control(&text)?,
        "times" => steps::times(&text)?,
        "run" => steps::run(&text)?,
        "chroot" => steps::chroot(&key)?,
        "close-all" => steps::close_all(),
        "low-descriptors" => steps::low_descriptors(&key)?,
        "no-descriptors" => steps::limit_descriptors()?,
        "memory" => steps::limit_memory(&text)?,
        "occupy" => steps::occupy(&text)?,
        "threads" => steps::threads(&text)?,
        "small-stacks" => steps::small_stacks(&text)?,
        "forks" => steps::forks(&text)?,
        "spawns" => steps::spawns(&text)?,
        "alarms" => steps::alarms(&text)?,
        "unload" => steps::unload(&text)?,
        "at-exit" => steps::at_exit(key)?,
        "secure" => report(&format!("AT_SECURE {}", c_library::is_secure())),
        "check" => steps::check()?,
        _ => return Err("is no step".into()),
    }
    Ok(())
}

fn show(key: &str, answer: Answer) {
    report(&format!("{key} {answer}"));
}

#[expect(clippy::print_stdout, reason = "this program's output is what it is for")]
fn report(line: &str) {
    println!("{line}");
}
