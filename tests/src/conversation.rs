//! A command on a terminal that is left alone at a question, and answered when the test has done what it takes elsewhere.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::host::{Host, Outcome};
use crate::wait;

/// Until a question is asked, or the command has ended after the last answer, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that is under way.
pub struct Conversation<'a> {
    host: &'a Host,
    place: String,
}

impl<'a> Conversation<'a> {
    /// Starts a command and waits until it asks this, or has ended.
    pub fn begin(host: &'a Host, command: &str, question: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let place = format!("/run/conversation-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        // Whoever is asked for a password instead has none.
        let script = format!(
            "set timeout {seconds}
             stty columns 80 rows 40
             spawn -noecho {command}
             expect {{{question}}} {{}} {{assword:}} {{send x\\r; exp_continue}} timeout {{exit 90}} eof {{exit [lindex [wait] 3]}}
             close [open {place}/asked w]
             while {{![file exists {place}/answer]}} {{after 50}}
             set answer [open {place}/answer r]
             send [gets $answer]
             send \\r
             expect {{assword:}} {{send x\\r; exp_continue}} timeout {{exit 92}} eof
             exit [lindex [wait] 3]\n",
            seconds = 2 * PATIENCE.as_secs()
        );
        host.run(&format!("mkdir {place}")).succeeds();
        host.write(&format!("{place}/script"), &script);
        host.run(&format!(
            "cd {place}; (LANG=C.UTF-8 setsid --wait expect -f script >shown 2>&1; echo $? >ended.new; mv ended.new ended) </dev/null >/dev/null 2>&1 &"
        ))
        .succeeds();
        let begun = Self { host, place };
        wait::until("the question", PATIENCE, || begun.has("asked") || begun.has("ended"));
        begun
    }

    /// What stands on the terminal.
    pub fn shown(&self) -> String {
        self.read("shown").unwrap_or_default().replace('\r', "")
    }

    /// The word behind this one.
    pub fn word_after(&self, before: &str) -> String {
        let shown = self.shown();
        let rest = shown.split_once(before).unwrap_or_else(|| panic!("{before}: {shown}")).1;
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// Answers, and waits for the end.
    pub fn answer(self, text: &str) -> Outcome {
        self.host.write(&format!("{}/answer.new", self.place), &format!("{text}\n"));
        self.host.run(&format!("cd {} && mv answer.new answer", self.place)).succeeds();
        self.end()
    }

    /// Waits for the end of a command that asked nothing.
    pub fn end(self) -> Outcome {
        wait::until("the end of the command", PATIENCE, || self.has("ended"));
        let ended = self.read("ended").unwrap_or_default();
        Outcome {
            command: self.place.clone(),
            status: ended.trim().parse().unwrap_or(-1),
            stdout: self.shown(),
            stderr: String::new(),
        }
    }

    fn has(&self, file: &str) -> bool {
        self.read(file).is_some()
    }

    fn read(&self, file: &str) -> Option<String> {
        self.host.read(&format!("{}/{file}", self.place))
    }
}
