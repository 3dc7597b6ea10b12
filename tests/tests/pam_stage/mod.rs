//! A private mount namespace with an `/etc`, `/run` and `/var/cache` of its own, in which pamtester runs the
//! real pam_pody.so under the real libpam, and a podyd of a few lines that the test scripts.
#![allow(dead_code, reason = "each file of stories uses its own part")]

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};
use tests::paths;

/// `nobody`, who is no podyd.
pub const NOBODY: u32 = 65534;

/// The namespace's `/etc`, `/run/pody` and `/var/cache/pody` before it is entered.
pub struct Stage {
    pub dir: PathBuf,
}

/// What became of a script.
#[derive(Debug)]
pub struct Outcome {
    pub status: Option<i32>,
    pub output: String,
    pub took: Duration,
}

impl Stage {
    /// A stage with two local people, `root` and `bob` (password "local"), and nobody else. NSS also knows
    /// the names in `nss-passwd`, with the hash `*`, as libnss_pody would serve them.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pody-pam-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let stage = Self { dir: std::env::temp_dir().join(name) };
        fs::create_dir(&stage.dir).unwrap();
        for directory in ["run", "cache", "lib-pam", "pam-configs", "security"] {
            fs::create_dir(stage.path(directory)).unwrap();
        }
        let copied = Command::new("cp").args(["-a", "/etc"]).arg(stage.path("etc")).status().unwrap();
        assert!(copied.success());
        let modules = "cp -a $(dirname $(find /lib /usr/lib -name pam_unix.so | head -1))/. \"$0\"";
        assert!(
            Command::new("sh").args(["-c", modules]).arg(stage.path("security")).status().unwrap().success()
        );
        fs::copy(paths::built("libpam_pody.so"), stage.path("security/pam_pody.so")).unwrap();
        let locals = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:Bob:/tmp:/bin/sh\n";
        fs::write(stage.path("etc/passwd"), locals).unwrap();
        let people = ["ada", "liz", "max", "eve"];
        let ours =
            people.iter().enumerate().map(|(n, name)| format!("{name}:*:{}:100::/tmp:/bin/sh\n", 70_000 + n));
        fs::write(stage.path("nss-passwd"), locals.to_owned() + &ours.collect::<String>()).unwrap();
        fs::write(stage.path("etc/shadow"), format!("root:{LOCAL}:20000::::::\nbob:{LOCAL}:20000::::::\n"))
            .unwrap();
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes the PAM file of a service.
    pub fn service(&self, name: &str, lines: &str) {
        fs::write(self.path("etc/pam.d").join(name), format!("{lines}\n")).unwrap();
    }

    /// Runs a shell script inside.
    pub fn run(&self, script: &str) -> Outcome {
        let inside = format!("set -e\n{SETUP}\nset +e\n{script}");
        let started = Instant::now();
        let output = Command::new("timeout")
            .args([
                "--kill-after=5",
                "60",
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                &inside,
            ])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("T", &self.dir)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        Outcome {
            status: output.status.code(),
            output: String::from_utf8_lossy(&text).into_owned(),
            took: started.elapsed(),
        }
    }

    /// Runs `pamtester SERVICE USER OPERATIONS` and types these lines.
    pub fn pamtester(&self, arguments: &str, typed: &[&str]) -> Outcome {
        let lines: String = typed.iter().map(|line| format!("'{line}' ")).collect();
        self.run(&format!("printf '%s\\n' {lines} | {NSS} pamtester {arguments}"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Outcome {
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.status, Some(0), "{self:#?}");
        self
    }

    /// It failed, by itself, and said so.
    #[track_caller]
    pub fn fails_with(&self, words: &str) -> &Self {
        assert!(self.status == Some(1) && self.output.contains(words), "{words}? {self:#?}");
        self
    }
}

/// What pam_strerror(3) says for the codes that the stories end with.
pub const AUTH_ERR: &str = "Authentication failure";
pub const AUTHINFO_UNAVAIL: &str = "Authentication service cannot retrieve authentication info";
pub const MAXTRIES: &str = "Have exhausted maximum number of retries for service";
pub const USER_UNKNOWN: &str = "User not known to the underlying authentication module";
pub const PERM_DENIED: &str = "Permission denied";
pub const ACCT_EXPIRED: &str = "User account has expired";

/// The hash of "local".
const LOCAL: &str =
    "$6$podytest$4Qn8pCNanay8.iP5qgNcCD7GqaNXaOvgFbmnQZg9PDNeXDm.e5DeT9gyVKJ1Asj4mQJr1LB9g76WkPLDD0pak/";

/// NSS with Pody's people in it, for a program that runs inside.
pub const NSS: &str =
    "LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$T/nss-passwd NSS_WRAPPER_GROUP=/etc/group";

/// Where each private directory goes. debconf's answers, which pam-auth-update changes, are copied.
const SETUP: &str = r#"
mkdir -p "$T/debconf"; cp -a /var/cache/debconf/. "$T/debconf" 2>/dev/null || true
mount --bind "$T/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/pody; mount --bind "$T/run" /run/pody
mount -t tmpfs -o mode=755 tmpfs /var/cache; mkdir /var/cache/pody /var/cache/debconf
mount --bind "$T/cache" /var/cache/pody
mount --bind "$T/debconf" /var/cache/debconf
modules=$(dirname $(find /lib/ /usr/lib/ -name pam_unix.so | head -1))
mount --bind "$T/security" "$modules"
"#;

/// What a scripted podyd answers a call with: raw bytes, then it hangs up.
type Answers = dyn Fn(&Value) -> Vec<u8> + Send + Sync;

/// A podyd of a few lines.
pub struct FakePodyd {
    calls: Arc<Mutex<Vec<Value>>>,
}

impl FakePodyd {
    /// Listens at `/run/pody/varlink` of a stage as `uid`, and answers each call so.
    pub fn start(
        stage: &Stage,
        uid: u32,
        answers: impl Fn(&Value) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(stage.path("run/varlink")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        fs::set_permissions(stage.path("run/varlink"), mode).unwrap();
        let calls = Arc::<Mutex<Vec<Value>>>::default();
        let (seen, answers): (_, Arc<Answers>) = (Arc::clone(&calls), Arc::new(answers));
        let (ready, listening) = std::sync::mpsc::channel();
        thread::spawn(move || {
            become_listener(&listener, uid);
            ready.send(()).unwrap();
            for stream in listener.incoming() {
                let (stream, seen, answers) = (stream.unwrap(), Arc::clone(&seen), Arc::clone(&answers));
                thread::spawn(move || answer(&stream, &seen, &*answers));
            }
        });
        listening.recv().unwrap();
        Self { calls }
    }

    /// A podyd that knows ada (password "secret"), liz (locked out of logins) and nobody else.
    pub fn honest(stage: &Stage) -> Self {
        Self::start(stage, 0, honest)
    }

    /// What was called so far: `[method, parameters]`.
    pub fn calls(&self) -> Vec<Value> {
        self.calls.lock().unwrap().clone()
    }
}

/// The kernel remembers who called listen(2) last; system calls that change a uid change one thread's.
fn become_listener(listener: &UnixListener, uid: u32) {
    // SAFETY: setresuid(2) takes no pointers; by syscall(2) it is for this thread alone.
    assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }, 0);
    // SAFETY: listen(2) takes no pointers.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 16) }, 0);
}

fn answer(stream: &UnixStream, seen: &Mutex<Vec<Value>>, answers: &Answers) {
    let mut call = Vec::new();
    if BufReader::new(stream).read_until(0, &mut call).is_err() || call.pop().is_none() {
        return;
    }
    let call: Value = serde_json::from_slice(&call).unwrap();
    seen.lock().unwrap().push(json!([call["method"], call["parameters"]]));
    let answer = answers(&call);
    let mut writer = stream;
    let _ = writer.write_all(&answer);
}

/// A reply as it stands on the wire.
pub fn reply(parameters: Value) -> Vec<u8> {
    let mut frame = json!({ "parameters": parameters }).to_string().into_bytes();
    frame.push(0);
    frame
}

/// An error reply.
pub fn error(name: &str, message: &str) -> Vec<u8> {
    let mut frame = json!({ "error": name, "parameters": { "message": message } }).to_string().into_bytes();
    frame.push(0);
    frame
}

fn done(verdict: &str) -> Vec<u8> {
    reply(json!({ "step": "done", "verdict": verdict }))
}

fn honest(call: &Value) -> Vec<u8> {
    let parameters = &call["parameters"];
    let user = parameters["user"].as_str().unwrap_or_default();
    match call["method"].as_str().unwrap() {
        "org.pody.Login.Begin" => match user {
            "ada" => reply(json!({ "step": "ask", "login": "L1", "prompt": "Password: ", "echo": false })),
            "liz" => done("locked_out"),
            _ => done("unknown"),
        },
        "org.pody.Login.Answer" if parameters["answer"] == "secret" => done("granted"),
        "org.pody.Login.Answer" => done("denied"),
        "org.pody.Login.CheckAccount" => {
            reply(json!({ "verdict": if user == "ada" { "granted" } else { "unknown" } }))
        }
        "org.pody.Login.ChangePassword" => change_password(user, parameters),
        other => error("org.varlink.service.MethodNotFound", other),
    }
}

fn change_password(user: &str, parameters: &Value) -> Vec<u8> {
    if user != "ada" {
        return reply(json!({ "verdict": "unknown" }));
    }
    let wrong = parameters["old"].as_str().is_some_and(|old| old != "secret");
    if wrong {
        return reply(json!({ "verdict": "denied" }));
    }
    match parameters["new"].as_str() {
        Some("weak") => error("org.pody.InvalidInput", "That password is too easy to guess."),
        _ => reply(json!({ "verdict": "granted" })),
    }
}

/// Publishes a snapshot of ada (fine), liz (locked) and max (expired long ago).
pub fn publish(stage: &Stage) {
    use identity::{Day, Gid, Uid};
    use snapshot::{Account, BaseEncoder, Info, Publisher, UserEntry};

    let info = Info { revision: 1, seed: 7, complete: true, enumerable: true };
    let mut encoder = BaseEncoder::new(info);
    let people =
        [("ada", 70_000, false, None), ("liz", 70_001, true, None), ("max", 70_002, false, Some(Day(1)))];
    for (name, id, locked, expires_at) in people {
        let account = Account { locked, expires_at, ..Account::default() };
        let (uid, gid, name) = (Uid(id), Gid(id), name.parse().unwrap());
        let entry =
            UserEntry { name, uid, gid, gecos: "", home: "/tmp", shell: "/bin/sh", groups: &[], account };
        encoder.user(&entry).unwrap();
    }
    let base = encoder.finish().unwrap();
    Publisher::start(&stage.path("cache"), &stage.path("run"), 1).unwrap().publish_base(&base).unwrap();
}
