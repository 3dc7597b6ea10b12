//! The wire to the agent in a virtual machine (tests/vm/agent): scripts go in, one to a line, and what became of
//! each comes out. A script may write lines of its own to [`SERIAL_LINE`]. It knows nothing of QEMU.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::host::Outcome;

/// Where a script in the machine writes what is to be read here at once.
pub const SERIAL_LINE: &str = "/dev/ttyS1";

/// No command of a story takes longer, on an emulated processor that shares this machine's, unless something hangs.
const DEADLINE: Duration = Duration::from_secs(240);

/// The agent ends a script at the deadline, and says so; it is given this long.
const GRACE: Duration = Duration::from_secs(60);

/// Both ends on this side.
pub struct Wire {
    scripts: ChildStdin,
    /// One thread reads at a time.
    lines: Mutex<Receiver<Line>>,
}

/// A line that came out.
pub struct Line {
    /// When it came.
    pub at: Instant,
    /// What it says.
    pub text: String,
}

impl Wire {
    /// A wire made of what leads to a machine and from it.
    pub fn new(scripts: ChildStdin, output: ChildStdout) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut text = String::new();
            // What a machine did not finish saying is not said: `ack 1` may be the beginning of `ack 12`.
            while output.read_line(&mut text).is_ok() && text.ends_with('\n') {
                let line = Line { at: Instant::now(), text: text.trim_end_matches('\n').to_owned() };
                if sender.send(line).is_err() {
                    break;
                }
                text.clear();
            }
        });
        Self { scripts, lines: Mutex::new(lines) }
    }

    /// Runs a script and waits for its end.
    pub fn run(&self, script: &str) -> Outcome {
        self.start(script);
        let deadline = Instant::now() + DEADLINE + GRACE;
        loop {
            let line = self.next(deadline).unwrap_or_else(|| panic!("no answer to `{script}`"));
            if let Some(result) = line.text.strip_prefix("done ") {
                return outcome(script, result);
            }
        }
    }

    /// Has a script run, and does not wait.
    pub fn start(&self, script: &str) {
        let line = format!("{} {}\n", DEADLINE.as_secs(), BASE64_STANDARD.encode(script));
        (&self.scripts).write_all(line.as_bytes()).expect("the machine runs");
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        let text = BASE64_STANDARD.encode(text);
        self.run(&format!("base64 -d >{path} <<END\n{text}\nEND\n")).succeeds();
    }

    /// The next line that comes out by then; none comes any more when the machine has ended.
    pub fn next(&self, deadline: Instant) -> Option<Line> {
        let lines = self.lines.lock().expect("whoever reads does not panic");
        lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

fn outcome(script: &str, result: &str) -> Outcome {
    let mut fields = result.split(' ');
    let status = fields.next().and_then(|status| status.parse().ok()).expect("a status");
    let mut text = || {
        let bytes = BASE64_STANDARD.decode(fields.next().expect("three fields")).expect("base64");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(), text());
    Outcome { command: script.to_owned(), status, stdout, stderr }
}
