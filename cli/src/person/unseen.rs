//! Asks for something that must not be seen.
//!
//! The terminal shows nothing from before the prompt on, so that whoever types or pastes at once is not shown, either; and
//! a signal that ends or stops podyctl finds the terminal as it was before. The line is edited by the terminal itself.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// What a terminal hands over as one line at the most; it drops what is typed beyond (termios(3), "canonical mode").
const MAX_LINE_BYTES: usize = 4096;

/// Signals that would leave the terminal without its echo.
const HELD_BACK: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGTSTP];

/// Asks on `terminal` for a line. Whoever was stopped and goes on is asked again.
pub fn ask(mut terminal: &File, prompt: &str) -> io::Result<String> {
    loop {
        let signals = SignalsHeldBack::new()?;
        let unseen = Unseen::new(terminal)?;
        terminal.write_all(prompt.as_bytes())?;
        let line = read_line(terminal, &signals)?;
        drop(unseen);
        drop(signals);
        if let Some(line) = line {
            return Ok(line);
        }
    }
}

/// The line that is typed; none where a signal has come first.
fn read_line(mut terminal: &File, signals: &SignalsHeldBack) -> io::Result<Option<String>> {
    let mut line = Vec::with_capacity(MAX_LINE_BYTES);
    while line.last() != Some(&b'\n') {
        let mut ready =
            [terminal.as_fd(), signals.arrived.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        poll(&mut ready, PollTimeout::NONE)?;
        if ready[1].any().unwrap_or(false) {
            terminal.write_all(b"\n")?;
            return Ok(None);
        }
        let mut typed = [0; MAX_LINE_BYTES];
        let length = terminal.read(&mut typed)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&typed[..length]);
        if line.len() >= MAX_LINE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line holds less than {MAX_LINE_BYTES} bytes there"),
            ));
        }
    }
    line.pop();
    String::from_utf8(line)
        .map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// A terminal that does not show what is typed, as long as this lives.
struct Unseen<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        unseen.local_flags.insert(LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        tcsetattr(terminal, SetArg::TCSANOW, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // A terminal that has hung up needs no echo.
        let _ = tcsetattr(self.terminal, SetArg::TCSANOW, &self.before);
    }
}

/// Signals wait as long as this lives, and are then what they would have been.
struct SignalsHeldBack {
    arrived: SignalFd,
    before: SigSet,
}

impl SignalsHeldBack {
    fn new() -> io::Result<Self> {
        let signals: SigSet = HELD_BACK.into_iter().collect();
        let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { arrived: SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?, before })
    }
}

impl Drop for SignalsHeldBack {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use nix::pty::{OpenptyResult, openpty};
    use nix::sys::termios::{FlowArg, tcflow};

    use super::*;

    fn shows_what_is_typed(terminal: &File) -> bool {
        tcgetattr(terminal).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    fn terminal() -> (File, File) {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        (File::from(master), File::from(slave))
    }

    #[test]
    fn whoever_answers_at_once_is_not_shown() {
        let (mut keyboard, terminal) = terminal();
        // The prompt cannot appear yet: what is typed must be hidden before it does.
        tcflow(&terminal, FlowArg::TCOOFF).unwrap();
        let asked_on = terminal.try_clone().unwrap();
        let asked = thread::spawn(move || ask(&asked_on, "Password: ").unwrap());
        let patience = Instant::now() + Duration::from_secs(10);
        while shows_what_is_typed(&keyboard) {
            assert!(Instant::now() < patience, "the prompt is written and what is typed would be shown");
            thread::yield_now();
        }
        tcflow(&terminal, FlowArg::TCOON).unwrap();
        let mut screen = [0; 64];
        let length = keyboard.read(&mut screen).unwrap();
        assert_eq!(&screen[..length], b"Password: ");
        keyboard.write_all("söcret \u{7f}\n".as_bytes()).unwrap();
        assert_eq!(asked.join().unwrap(), "söcret");
        assert!(shows_what_is_typed(&terminal));
        let length = keyboard.read(&mut screen).unwrap();
        assert_eq!(&screen[..length], b"\r\n");
    }

    #[test]
    fn an_answer_that_the_terminal_would_cut_is_none() {
        let (mut keyboard, terminal) = terminal();
        let asked = thread::spawn(move || ask(&terminal, "Token: "));
        let mut screen = [0; 64];
        let _ = keyboard.read(&mut screen).unwrap();
        keyboard.write_all(&[b'x'; MAX_LINE_BYTES + 1]).unwrap();
        keyboard.write_all(b"\n").unwrap();
        let refused = asked.join().unwrap().unwrap_err();
        assert!(refused.to_string().contains("4096"), "{refused}");
    }

    #[test]
    fn nobody_there_is_no_answer() {
        let (mut keyboard, terminal) = terminal();
        let asked = thread::spawn(move || ask(&terminal, "Password: "));
        let mut screen = [0; 64];
        let _ = keyboard.read(&mut screen).unwrap();
        keyboard.write_all(b"\x04").unwrap();
        assert_eq!(asked.join().unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
