//! Lookups in pairs: one that goes on to Pody where `files` does not know the name, and its control, the same question
//! about a local user to a process that asks `files` alone. What slows the machine down slows both.
//! The third service of nsswitch.conf, systemd, is left out: it asks the first process about everybody's groups.

use std::ffi::{CStr, CString};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tests::wait::comes_true;

use crate::c_library::{Answer, ask, configure, processor_time, times_waited};

/// Slower than the slowest control by this is slower.
const MARGIN: Duration = Duration::from_millis(5);

/// In one go; then the others of this machine have a turn.
const PAIRS: usize = 20;

/// No story takes longer.
const LONGEST: Duration = Duration::from_secs(600);

const KINDS: [&str; 2] = ["user", "groups"];

/// `NAME:CONTROL:FILE`: pairs until the file exists.
pub fn beside(value: &str) -> Result<(), String> {
    let [name, control, end] = value.split(':').collect::<Vec<_>>()[..] else {
        return Err("NAME:CONTROL:FILE is wanted".into());
    };
    let name = CString::new(name).map_err(|_| "holds a NUL")?;
    let mut control = Control::start(control)?;
    only(c"files pody [UNAVAIL=return]");
    let mut tally = Tally::new(KINDS.map(|kind| ask(kind, &name)));
    comes_true(LONGEST, || {
        for _ in 0..PAIRS {
            for (kind, question) in KINDS.iter().enumerate() {
                tally.control(control.ask(kind as u8));
                tally.ours(kind, Lookup::of(|| ask(question, &name)));
            }
        }
        Path::new(end).exists()
    });
    crate::report(&tally.to_string());
    Ok(())
}

/// The control: answers for this local user to whoever writes to its standard input which question it is.
pub fn control(name: &str) -> Result<(), String> {
    let name = CString::new(name).map_err(|_| "holds a NUL")?;
    only(c"files");
    let (mut kind, mut output) = ([0], std::io::stdout());
    while std::io::stdin().read_exact(&mut kind).is_ok() {
        let lookup = Lookup::of(|| ask(KINDS[usize::from(kind[0])], &name));
        if matches!(lookup.answer, Answer::Absent | Answer::Error(_)) {
            return Err(format!("{name:?} {}", lookup.answer));
        }
        let took = lookup.took.as_nanos() as u64;
        output.write_all(&took.to_ne_bytes()).map_err(|error| error.to_string())?;
        output.flush().map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn only(services: &CStr) {
    configure(c"passwd", services);
    configure(c"group", services);
}

struct Control {
    process: Child,
    questions: ChildStdin,
    answers: ChildStdout,
}

impl Control {
    fn start(name: &str) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut process = Command::new(program)
            .arg(format!("control={name}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let questions = process.stdin.take().expect("a pipe");
        let answers = process.stdout.take().expect("a pipe");
        Ok(Self { process, questions, answers })
    }

    fn ask(&mut self, kind: u8) -> Duration {
        let mut took = [0; 8];
        self.questions.write_all(&[kind]).expect("the control runs");
        self.answers.read_exact(&mut took).expect("the control runs");
        Duration::from_nanos(u64::from_ne_bytes(took))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Lookup {
    answer: Answer,
    took: Duration,
    /// On the processor.
    worked: Duration,
    /// It let go of the processor by itself, for something that was not there yet. That another process was given the
    /// processor is no waiting.
    waited: bool,
}

impl Lookup {
    fn of(question: impl FnOnce() -> Answer) -> Self {
        let (waited, worked, start) = (times_waited(), processor_time(), Instant::now());
        let answer = question();
        let took = start.elapsed();
        let (worked, waited) = (processor_time() - worked, times_waited() != waited);
        Self { answer, took, worked, waited }
    }
}

struct Tally {
    expected: [Answer; 2],
    pairs: u64,
    /// "No such user", of one that exists.
    absent: u64,
    /// Errors and other answers than at first.
    failed: u64,
    slowest_control: Duration,
    slowest: Duration,
    /// All that may turn out to be slow.
    slow: Vec<Lookup>,
}

impl Tally {
    fn new(expected: [Answer; 2]) -> Self {
        let none = Duration::ZERO;
        Self { expected, pairs: 0, absent: 0, failed: 0, slowest_control: none, slowest: none, slow: vec![] }
    }

    fn control(&mut self, took: Duration) {
        self.slowest_control = self.slowest_control.max(took);
    }

    fn ours(&mut self, kind: usize, lookup: Lookup) {
        self.pairs += 1;
        self.slowest = self.slowest.max(lookup.took);
        if lookup.answer == Answer::Absent {
            self.absent += 1;
        } else if lookup.answer != self.expected[kind] {
            self.failed += 1;
        }
        if lookup.took > MARGIN {
            self.slow.push(lookup);
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limit = self.slowest_control + MARGIN;
        let beyond: Vec<_> = self.slow.iter().filter(|lookup| lookup.took > limit).collect();
        // The rest was held up by whoever else had the processor then, and not by what was asked.
        let late = beyond.iter().filter(|lookup| lookup.waited || lookup.worked > limit).count();
        let Self { pairs, absent, failed, slowest_control, slowest, .. } = self;
        write!(
            f,
            "absent {absent} failed {failed} late {late} of {pairs} pairs; slowest {slowest:?}, control \
             {slowest_control:?}, beyond it by 5ms {}",
            beyond.len()
        )?;
        beyond.iter().try_for_each(|Lookup { took, worked, waited, .. }| {
            write!(f, " ({took:?}, {worked:?} of it at work, waited: {waited})")
        })
    }
}
