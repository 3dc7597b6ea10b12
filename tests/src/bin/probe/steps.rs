//! What a process does between lookups. A step that finds a wrong answer says so and fails.

use std::ffi::{CStr, CString, c_int};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::wait::comes_true;

use crate::c_library::{Answer, mark, user};

type Outcome = Result<(), String>;

/// What is published is seen within a second; this is for a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lookups by each child, or thread with a small stack.
const LOOKUPS: u32 = 50;

/// Answers that the threads of [`threads`] did not expect, and those that they did.
static WRONG: AtomicU64 = AtomicU64::new(0);
static RIGHT: AtomicU64 = AtomicU64::new(0);

/// Looks up again and again until the user is found.
pub fn await_user(name: &CStr) -> Outcome {
    if comes_true(PATIENCE, || matches!(user(name), Answer::Found(_))) {
        return Ok(());
    }
    Err(format!("{name:?} {} after {PATIENCE:?}", user(name)))
}

/// `COUNT:NAME`: that many lookups with the same answer, between two marks.
pub fn times(value: &str) -> Outcome {
    let (count, name) = counted(value)?;
    let expected = user(&name);
    mark();
    let wrong = (0..count).find_map(|_| Some(user(&name)).filter(|answer| *answer != expected));
    mark();
    crate::report(&format!("{count} times {expected}"));
    wrong.map_or(Ok(()), |wrong| Err(format!("once {wrong}")))
}

/// Runs a shell script; how the script does it is nobody's business here.
pub fn run(script: &str) -> Outcome {
    let status = Command::new("/bin/sh").args(["-c", script]).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{script}: {status}")) }
}

pub fn chroot(directory: &CStr) -> Outcome {
    // SAFETY: chroot(2) reads the path.
    succeeded(unsafe { libc::chroot(directory.as_ptr()) })?;
    // SAFETY: chdir(2) reads the path.
    succeeded(unsafe { libc::chdir(c"/".as_ptr()) })
}

/// As daemons do: every descriptor that this program does not know of.
pub fn close_all() {
    // SAFETY: close_range(2) with numbers alone; nothing here owns a descriptor above 2.
    unsafe { libc::close_range(3, u32::MAX, 0) };
}

/// A program that has closed 0, 1 and 2 finds its own files there, before and after lookups.
pub fn low_descriptors(name: &CStr) -> Outcome {
    // SAFETY: fcntl(2) with numbers alone.
    let output = unsafe { libc::fcntl(1, libc::F_DUPFD, 1000) };
    succeeded(output)?;
    // SAFETY: close_range(2) with numbers alone.
    unsafe { libc::close_range(0, 999, 0) };
    let mut opened = [0; 6];
    for descriptor in &mut opened {
        let expected = user(name);
        // SAFETY: open(2) reads the path.
        *descriptor = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
        if user(name) != expected || !matches!(expected, Answer::Found(_)) {
            *descriptor = -1;
        }
    }
    // SAFETY: dup2(2) with numbers alone.
    succeeded(unsafe { libc::dup2(output, 1) })?;
    if opened == [0, 1, 2, 3, 4, 5] { Ok(()) } else { Err(format!("{opened:?}")) }
}

pub fn limit_descriptors() -> Outcome {
    limit(libc::RLIMIT_NOFILE, 0)
}

/// As much address space as there is now, and so many bytes.
pub fn limit_memory(bytes: &str) -> Outcome {
    let status = std::fs::read_to_string("/proc/self/statm").map_err(|error| error.to_string())?;
    let pages: u64 = status.split(' ').next().and_then(|pages| pages.parse().ok()).ok_or("statm")?;
    limit(libc::RLIMIT_AS, pages * 4096 + number(bytes)?)
}

fn limit(what: libc::__rlimit_resource_t, to: u64) -> Outcome {
    let limit = libc::rlimit { rlim_cur: to, rlim_max: to };
    // SAFETY: setrlimit(2) reads the struct.
    succeeded(unsafe { libc::setrlimit(what, &limit) })
}

/// Connects to a socket until the queue of a listener that takes nobody is full, and stays.
pub fn occupy(path: &str) -> Outcome {
    let mut address =
        libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    let length = size_of_val(&address) as libc::socklen_t;
    loop {
        // SAFETY: socket(2) takes numbers alone. The descriptor is kept until the process ends.
        let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0) };
        succeeded(socket)?;
        // SAFETY: connect(2) reads `length` bytes of the address.
        let connected = unsafe { libc::connect(socket, (&raw const address).cast(), length) };
        match std::io::Error::last_os_error().kind() {
            _ if connected == 0 => {}
            std::io::ErrorKind::WouldBlock => return Ok(()),
            _ => return succeeded(connected),
        }
    }
}

/// `COUNT:NAME`: threads that look up until the process is gone.
pub fn threads(value: &str) -> Outcome {
    let (count, name) = counted(value)?;
    let expected = user(&name);
    for _ in 0..count {
        let name = name.clone();
        thread::spawn(move || {
            loop {
                let tally = if user(&name) == expected { &RIGHT } else { &WRONG };
                tally.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(())
}

/// No thread saw anything else than the first answer, and all of them together saw something.
pub fn check() -> Outcome {
    match (RIGHT.load(Ordering::Relaxed), WRONG.load(Ordering::Relaxed)) {
        (1.., 0) => Ok(()),
        (right, wrong) => Err(format!("{right} right, {wrong} wrong")),
    }
}

/// `KIB:COUNT:NAME`: threads with so little stack, one after the other.
pub fn small_stacks(value: &str) -> Outcome {
    let (kib, rest) = value.split_once(':').ok_or("KIB:COUNT:NAME is wanted")?;
    let bytes = number(kib)? as usize * 1024;
    let (count, name) = counted(rest)?;
    for _ in 0..count {
        let name = name.clone();
        let found = move || (0..LOOKUPS).all(|_| matches!(user(&name), Answer::Found(_)));
        let thread = thread::Builder::new().stack_size(bytes).spawn(found);
        if !thread.map_err(|error| error.to_string())?.join().unwrap_or(false) {
            return Err("a wrong answer".into());
        }
    }
    Ok(())
}

/// `COUNT:NAME`: children that look up and end.
pub fn forks(value: &str) -> Outcome {
    let (count, name) = counted(value)?;
    let expected = user(&name);
    for number in 0..count {
        // SAFETY: the child does what is allowed in one of a program with threads: it looks up, as glibc's
        // atfork handlers make possible, and ends.
        let child = unsafe { libc::fork() };
        succeeded(child)?;
        if child == 0 {
            let right = (0..LOOKUPS).all(|_| user(&name) == expected);
            // SAFETY: _exit(2) runs no handlers, which are the parent's.
            unsafe { libc::_exit(c_int::from(!right)) };
        }
        expect_success(child).map_err(|why| format!("child {number}: {why}"))?;
    }
    Ok(())
}

/// Waits for a child; one that hangs is killed.
fn expect_success(child: libc::pid_t) -> Outcome {
    let begun = Instant::now();
    let mut status = 0;
    loop {
        // SAFETY: waitpid(2) writes the status.
        match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
            0 if begun.elapsed() > PATIENCE => {
                // SAFETY: kill(2) with numbers alone, of a child that was not waited for.
                unsafe { libc::kill(child, libc::SIGKILL) };
                return Err("hangs".into());
            }
            0 => thread::yield_now(),
            -1 if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            _ if status == 0 => return Ok(()),
            _ => return Err(format!("status {status:#x}")),
        }
    }
}

/// Programs begun as posix_spawn(3) does it, by vfork and exec.
pub fn spawns(count: &str) -> Outcome {
    for _ in 0..number(count)? {
        let status = Command::new("/bin/true").status().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(status.to_string());
        }
    }
    Ok(())
}

/// A signal every so many microseconds, whose handler asks for no restart: whatever waits sees EINTR.
pub fn alarms(microseconds: &str) -> Outcome {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: sigaction is plain data, for which zeros are valid: no flag, no signal blocked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(c_int) as usize;
    // SAFETY: sigaction(2) reads the struct, whose handler does nothing.
    succeeded(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) })?;
    let every = libc::timeval { tv_sec: 0, tv_usec: number(microseconds)? as i64 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: setitimer(2) reads the struct.
    succeeded(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) })
}

/// `COUNT:NAME`: the module is loaded and let go of, with a lookup after each.
pub fn unload(value: &str) -> Outcome {
    let (count, name) = counted(value)?;
    let expected = user(&name);
    for _ in 0..count {
        // SAFETY: dlopen(3) reads the name; the module has no constructors.
        let module = unsafe { libc::dlopen(c"libnss_pody.so.2".as_ptr(), libc::RTLD_NOW) };
        if module.is_null() {
            return Err("the module cannot be loaded".into());
        }
        // SAFETY: dlclose(3) of what was just opened.
        succeeded(unsafe { libc::dlclose(module) })?;
        if user(&name) != expected {
            return Err("a wrong answer".into());
        }
    }
    Ok(())
}

/// Looks up when everything else in the process is over.
pub fn at_exit(name: CString) -> Outcome {
    static NAME: OnceLock<CString> = OnceLock::new();
    extern "C" fn look_up() {
        let found = NAME.get().is_some_and(|name| matches!(user(name), Answer::Found(_)));
        let word: &[u8] = if found { b"at exit found\n" } else { b"at exit lost\n" };
        // SAFETY: write(2) reads as many bytes as it is told.
        unsafe { libc::write(1, word.as_ptr().cast(), word.len()) };
    }
    let _ = NAME.set(name);
    // SAFETY: atexit(3) keeps the function's address, which is good as long as the program is.
    succeeded(unsafe { libc::atexit(look_up) })
}

/// `COUNT:NAME`.
fn counted(value: &str) -> Result<(u64, CString), String> {
    let (count, name) = value.split_once(':').ok_or("COUNT:NAME is wanted")?;
    Ok((number(count)?, CString::new(name).map_err(|_| "holds a NUL")?))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn succeeded(result: c_int) -> Outcome {
    if result == -1 { Err(std::io::Error::last_os_error().to_string()) } else { Ok(()) }
}
