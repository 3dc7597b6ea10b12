//! A podyd that answers as a test says, under a `PODY_HOME` of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use protocol::{Call, Error, MAX_FRAME_BYTES, Reply};
use serde_json::Value;

/// A directory that is gone when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podyctl-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("run")).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and says where it is.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs podyctl with this directory as `PODY_HOME`.
    pub fn podyctl(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A command that fails early does not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podyctl"));
        command.args(arguments).env("PODY_HOME", &self.0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What became of a podyctl.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// What a scripted podyd answers; none: it hangs up.
pub type Answer = Option<Result<Value, Error>>;

/// A podyd whose answers a test gives, and what it was asked.
pub struct Podyd {
    pub home: Scratch,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Podyd {
    pub fn start(answer: impl FnMut(&str, Value) -> Answer + Send + 'static) -> Self {
        let home = Scratch::new();
        let listener = UnixListener::bind(home.path().join("run/varlink")).unwrap();
        let calls = Arc::default();
        let podyd = Self { home, calls: Arc::clone(&calls) };
        thread::spawn(move || {
            let mut answer = answer;
            for stream in listener.incoming() {
                serve(&stream.unwrap(), &mut answer, &calls);
            }
        });
        podyd
    }

    /// One that gives the same answer to everything.
    pub fn that_answers(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone())
    }

    pub fn podyctl(&self, arguments: &[&str], input: &str) -> Ran {
        self.home.podyctl(arguments, input)
    }

    /// The methods that were called so far, without `org.pody.`, and their parameters.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(
    stream: &UnixStream,
    answer: &mut impl FnMut(&str, Value) -> Answer,
    calls: &Mutex<Vec<(String, Value)>>,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut frame = Vec::new();
        if reader.read_until(0, &mut frame).unwrap_or(0) == 0 {
            return;
        }
        assert_eq!(frame.pop(), Some(0));
        assert!(frame.len() <= MAX_FRAME_BYTES, "{} bytes", frame.len());
        let call: Call<'_> = serde_json::from_slice(&frame).unwrap();
        let method = call.method.strip_prefix("org.pody.").unwrap().to_owned();
        calls.lock().unwrap().push((method.clone(), call.parameters.clone()));
        let reply = match answer(&method, call.parameters) {
            Some(Ok(parameters)) => Reply { error: None, parameters },
            Some(Err(error)) => {
                Reply { error: Some(error.name().to_owned()), parameters: error.parameters() }
            }
            None => return,
        };
        let mut frame = serde_json::to_vec(&reply).unwrap();
        assert!(frame.len() <= MAX_FRAME_BYTES, "{} bytes", frame.len());
        frame.push(0);
        if (&mut &*stream).write_all(&frame).is_err() {
            return;
        }
    }
}
