//! The person at the terminal: passwords, and the word that a deletion waits for.

mod unseen;

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};

use protocol::directory::Secret;

use crate::{Code, Failure, Result, Session};

/// The longest password taken from standard input: podyd takes no longer one.
const MAX_PASSWORD_BYTES: usize = 512;

/// Somebody who answers questions.
pub trait Person {
    /// Asks for something that must not be seen.
    fn secret(&mut self, prompt: &str) -> io::Result<String>;
    /// Asks for a line.
    fn line(&mut self, prompt: &str) -> io::Result<String>;
}

/// The person at this process's terminal, wherever its output goes.
pub struct Terminal;

impl Person for Terminal {
    fn secret(&mut self, prompt: &str) -> io::Result<String> {
        unseen::ask(&terminal()?, prompt)
    }

    fn line(&mut self, prompt: &str) -> io::Result<String> {
        let mut terminal = terminal()?;
        terminal.write_all(prompt.as_bytes())?;
        let mut answer = String::new();
        if BufReader::new(terminal).read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer.trim_end().to_owned())
    }
}

fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Asks for a password; an empty one is an answer, too.
pub fn ask_password(person: &mut dyn Person, prompt: &str) -> Result<Secret> {
    person.secret(prompt).map(Secret).map_err(no_answer)
}

/// Asks for a new password until the same one was typed twice, three times at the most.
pub fn ask_new_password(person: &mut dyn Person, prompt: &str) -> Result<Secret> {
    for _ in 0..3 {
        let password = ask_password(person, prompt)?;
        if password.0.is_empty() || ask_password(person, "The same again: ")? == password {
            return Ok(password);
        }
    }
    Err(Failure::new(Code::Failed, "the two passwords were not the same; nothing was changed"))
}

/// Lets the person decide, or, where there is none, demands that `--yes` did.
pub fn confirm(session: &mut Session<'_>, yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    let Some(person) = session.person.as_deref_mut() else {
        return Err(Failure::new(
            Code::Usage,
            "nobody to ask on this terminal: add --yes to delete without a question",
        ));
    };
    let answer = person.line(&format!("{question} [y/N] ")).map_err(no_answer)?;
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Code::Failed, "nothing was deleted")),
    }
}

/// Reads a line of standard input as a password (`--password-stdin`).
pub fn read_password(input: &mut dyn BufRead) -> Result<Secret> {
    read_secret(input, "password")
}

/// Reads a line of standard input that must not be seen; `what` it is, failures say.
pub fn read_secret(input: &mut dyn BufRead, what: &str) -> Result<Secret> {
    read_long_secret(input, what, MAX_PASSWORD_BYTES)
}

/// The same, of so many bytes at the most.
pub fn read_long_secret(input: &mut dyn BufRead, what: &str, most: usize) -> Result<Secret> {
    let unusable = |why: &dyn Display| {
        Failure::new(Code::Usage, format_args!("cannot use the {what} on standard input: {why}"))
    };
    let mut line = Vec::new();
    let limit = most as u64 + 1;
    input.take(limit).read_until(b'\n', &mut line).map_err(|error| unusable(&error))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() > most {
        return Err(unusable(&format_args!("it is longer than {most} bytes")));
    }
    if line.is_empty() {
        return Err(unusable(&"there is none"));
    }
    if line.contains(&0) {
        return Err(unusable(&"it holds a NUL byte, which no login prompt can send"));
    }
    String::from_utf8(line).map(Secret).map_err(|_| unusable(&"it is not UTF-8"))
}

/// Nobody answers any more.
pub fn no_answer(error: io::Error) -> Failure {
    Failure::new(Code::Failed, format_args!("cannot ask on the terminal: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_and_the_second_stays() {
        let mut input: &[u8] = b"s3cret with spaces \nnext\n";
        assert_eq!(read_password(&mut input).unwrap().0, "s3cret with spaces ");
        assert_eq!(read_password(&mut input).unwrap().0, "next");
    }

    #[test]
    fn a_password_that_no_login_could_send_is_refused() {
        let long = [b'x'; MAX_PASSWORD_BYTES + 1];
        assert!(read_password(&mut &long[1..]).is_ok());
        let table: [(&[u8], &str); 5] =
            [(b"", "none"), (b"\nx", "none"), (&long, "longer"), (b"a\0b\n", "NUL"), (b"\xff\n", "UTF-8")];
        for (mut input, reason) in table {
            let failure = read_password(&mut input).unwrap_err();
            assert!(failure.code == Code::Usage && failure.message.contains(reason), "{}", failure.message);
        }
    }

    struct Script(Vec<&'static str>);

    impl Person for Script {
        fn secret(&mut self, _: &str) -> io::Result<String> {
            Ok(self.0.remove(0).to_owned())
        }
        fn line(&mut self, _: &str) -> io::Result<String> {
            Ok(self.0.remove(0).to_owned())
        }
    }

    #[test]
    fn a_new_password_is_the_one_that_was_typed_twice() {
        let ask =
            |answers: &[&'static str]| ask_new_password(&mut Script(answers.to_vec()), "").ok().map(|s| s.0);
        assert_eq!(ask(&["a", "a"]), Some("a".into()));
        assert_eq!(ask(&["a", "b", "c", "c"]), Some("c".into()));
        assert_eq!(ask(&["a", "b", "a", "b", "a", "b"]), None);
        assert_eq!(ask(&[""]), Some(String::new()));
    }
}
