//! Everything between C and the rest of the module: libpam's functions, bound by hand, and [`Handle`],
//! which is [`Pam`] over them.
//!
//! Linux-PAM's contract (pam(3), pam_conv(3), pam_get_item(3)): the handle is valid for the length of an
//! entry; items belong to libpam and live until the same item is set; answers belong to us.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Once;

use zeroize::{Zeroize, Zeroizing};

use crate::pam::{Code, Level, Pam, Question, Token, Typed, accept};

/// `pam_handle_t`: libpam's, never looked into.
#[repr(C)]
pub struct PamHandle {
    _private: [u8; 0],
}

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    _unused: c_int,
}

#[repr(C)]
struct Conversation {
    converse:
        Option<unsafe extern "C" fn(c_int, *const *const Message, *mut *mut Response, *mut c_void) -> c_int>,
    data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_get_user(handle: *mut PamHandle, user: *mut *const c_char, prompt: *const c_char) -> c_int;
    fn pam_get_item(handle: *const PamHandle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_set_item(handle: *mut PamHandle, item: c_int, value: *const c_void) -> c_int;
    fn pam_fail_delay(handle: *mut PamHandle, microseconds: c_uint) -> c_int;
    fn pam_syslog(handle: *const PamHandle, priority: c_int, format: *const c_char, ...);
}

const PAM_SUCCESS: c_int = 0;

const PAM_SERVICE: c_int = 1;
const PAM_TTY: c_int = 3;
const PAM_RHOST: c_int = 4;
const PAM_CONV: c_int = 5;
const PAM_AUTHTOK: c_int = 6;
const PAM_OLDAUTHTOK: c_int = 7;

const PAM_PROMPT_ECHO_OFF: c_int = 1;
const PAM_PROMPT_ECHO_ON: c_int = 2;
const PAM_ERROR_MSG: c_int = 3;
const PAM_TEXT_INFO: c_int = 4;

/// As pam_unix waits after a wrong password, so that a local guesser (su, sudo) gains nothing by
/// choosing a user of ours.
const FAILURE_DELAY_MICROSECONDS: c_uint = 2_000_000;

/// The longest text that is shown: a QR code drawn in half blocks takes 4 KiB, and what is larger is
/// not meant for a terminal.
const MAX_TEXT_BYTES: usize = 8192;

/// Runs an entry so that no panic of ours unwinds into sshd (which would abort it) or prints.
pub fn guard(handle: &mut Handle, entry: impl FnOnce(&mut Handle) -> Code) -> Code {
    // The hook belongs to this library's own copy of the standard library, not to the program.
    static SILENT: Once = Once::new();
    SILENT.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    contain(handle, entry)
}

fn contain(handle: &mut Handle, entry: impl FnOnce(&mut Handle) -> Code) -> Code {
    catch_unwind(AssertUnwindSafe(|| entry(handle))).unwrap_or_else(|payload| {
        // The payload may hold what was typed, and dropping it may panic again.
        std::mem::forget(payload);
        handle.log(Level::Error, "this module has a fault and refuses the request: please report it");
        Code::SystemErr
    })
}

/// The module's arguments.
///
/// # Safety
/// `argv` points to `argc` strings, as libpam gives them to an entry.
pub unsafe fn arguments<'a>(argc: c_int, argv: *const *const c_char) -> Vec<&'a [u8]> {
    let count = if argv.is_null() { 0 } else { usize::try_from(argc).unwrap_or(0) };
    (0..count)
        .map(|index| {
            // SAFETY: `index` is below `argc`.
            let argument = unsafe { argv.add(index) };
            // SAFETY: the caller's contract; a pointer inside the array.
            let argument = unsafe { *argument };
            // SAFETY: the caller's contract; libpam's arguments are strings and live as long as the handle.
            unsafe { CStr::from_ptr(argument) }.to_bytes()
        })
        .collect()
}

/// Whether root started this process: geteuid(2) is 0 in every set-uid program, getuid(2) is not.
pub fn started_by_root() -> bool {
    // SAFETY: getuid(2) takes nothing and cannot fail.
    unsafe { libc::getuid() == 0 }
}

/// A transaction of libpam's, for the length of one entry.
pub struct Handle(*mut PamHandle);

impl Handle {
    /// # Safety
    /// `handle` is what libpam has given to an entry, which outlives the value.
    pub unsafe fn new(handle: *mut PamHandle) -> Self {
        Self(handle)
    }

    fn item(&self, item: c_int) -> Option<ptr::NonNull<c_void>> {
        let mut value = ptr::null();
        // SAFETY: pam_get_item(3) writes a pointer into `value`; the handle is valid (Self::new).
        let result = unsafe { pam_get_item(self.0, item, &raw mut value) };
        if result == PAM_SUCCESS { ptr::NonNull::new(value.cast_mut()) } else { None }
    }

    fn string(&self, item: c_int) -> Option<&CStr> {
        let value = self.item(item)?;
        // SAFETY: the items asked for here are strings (pam_get_item(3)) that live until they are set
        // again, which takes `&mut self`.
        Some(unsafe { CStr::from_ptr(value.as_ptr().cast()) })
    }

    fn text(&self, item: c_int) -> Option<String> {
        self.string(item).map(|text| text.to_string_lossy().into_owned()).filter(|text| !text.is_empty())
    }

    /// Shows each message and gives the answer to the last.
    fn converse(&self, messages: &[(c_int, &str)]) -> Result<Option<Answer>, Code> {
        let texts: Vec<(c_int, CString)> =
            messages.iter().map(|&(style, text)| (style, shown(text))).collect();
        let messages: Vec<Message> =
            texts.iter().map(|(style, text)| Message { style: *style, text: text.as_ptr() }).collect();
        let pointers: Vec<*const Message> = messages.iter().map(ptr::from_ref).collect();
        let conversation = self.item(PAM_CONV).ok_or(Code::ConvErr)?.cast::<Conversation>();
        // SAFETY: PAM_CONV is a `struct pam_conv` (pam_conv(3)) that lives until it is set again.
        let conversation = unsafe { conversation.as_ref() };
        let converse = conversation.converse.ok_or(Code::ConvErr)?;
        let mut responses = ptr::null_mut();
        // SAFETY: pam_conv(3): as many messages as said, each behind a pointer of its own, all alive.
        let result = unsafe {
            converse(messages.len() as c_int, pointers.as_ptr(), &raw mut responses, conversation.data)
        };
        // On failure the application has freed its answers, if there were any.
        if result != PAM_SUCCESS {
            return Err(Code::ConvErr);
        }
        Ok(take_answers(responses, messages.len()).pop().flatten())
    }
}

/// An answer in the memory that the application allocated; wiped and freed when it is dropped.
struct Answer(ptr::NonNull<c_char>);

impl Answer {
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: pam_conv(3): an answer is a string; it is ours until it is freed.
        unsafe { CStr::from_ptr(self.0.as_ptr()) }.to_bytes()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let length = self.as_bytes().len();
        // SAFETY: as many bytes as were just read, and nobody else holds a pointer to them.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().cast::<u8>(), length) };
        bytes.zeroize();
        // SAFETY: pam_conv(3): the application allocated it with malloc for us to free.
        unsafe { libc::free(self.0.as_ptr().cast()) };
    }
}

/// Takes the answers out of the array that the application allocated, and frees the array.
fn take_answers(responses: *mut Response, count: usize) -> Vec<Option<Answer>> {
    if responses.is_null() {
        return Vec::new();
    }
    // SAFETY: pam_conv(3): as many responses as there were messages.
    let all = unsafe { std::slice::from_raw_parts(responses, count) };
    let answers = all.iter().map(|response| ptr::NonNull::new(response.text).map(Answer)).collect();
    // SAFETY: pam_conv(3): the application allocated the array with malloc; nothing points into it.
    unsafe { libc::free(responses.cast()) };
    answers
}

/// What a terminal may show of a text: no control characters but line breaks and tabs, and no end.
fn shown(text: &str) -> CString {
    let mut visible = String::new();
    for character in text.chars().filter(|&c| !c.is_control() || c == '\n' || c == '\t') {
        if visible.len() + character.len_utf8() > MAX_TEXT_BYTES {
            break;
        }
        visible.push(character);
    }
    CString::new(visible).expect("a NUL is a control character")
}

impl Pam for Handle {
    fn user(&mut self) -> Result<Vec<u8>, Code> {
        let mut user = ptr::null();
        // SAFETY: pam_get_user(3) writes a pointer into `user`; a null prompt means the usual one.
        let result = unsafe { pam_get_user(self.0, &raw mut user, ptr::null()) };
        if result != PAM_SUCCESS || user.is_null() {
            return Err(Code::UserUnknown);
        }
        // SAFETY: pam_get_user(3): on success a string that belongs to libpam.
        Ok(unsafe { CStr::from_ptr(user) }.to_bytes().to_vec())
    }

    fn service(&self) -> String {
        self.text(PAM_SERVICE).unwrap_or_default()
    }

    fn rhost(&self) -> Option<String> {
        self.text(PAM_RHOST)
    }

    fn tty(&self) -> Option<String> {
        self.text(PAM_TTY)
    }

    fn token(&self, token: Token) -> Option<Typed> {
        accept(self.string(number_of(token))?.to_bytes())
    }

    fn remember(&mut self, token: Token, password: &str) -> Result<(), Code> {
        let mut text = Zeroizing::new(Vec::with_capacity(password.len() + 1));
        text.extend_from_slice(password.as_bytes());
        text.push(0);
        // SAFETY: pam_set_item(3) copies the string, which ends with the NUL just pushed.
        let result = unsafe { pam_set_item(self.0, number_of(token), text.as_ptr().cast()) };
        if result == PAM_SUCCESS { Ok(()) } else { Err(Code::SystemErr) }
    }

    fn ask(&mut self, question: Question<'_>) -> Result<Typed, Code> {
        let style = if question.echo { PAM_PROMPT_ECHO_ON } else { PAM_PROMPT_ECHO_OFF };
        // In one conversation: sshd sends a text on its way only together with the prompt behind it.
        let message = question.message.map(|message| (PAM_TEXT_INFO, message));
        let messages: Vec<_> = message.into_iter().chain([(style, question.prompt)]).collect();
        let answer = self.converse(&messages)?.ok_or(Code::ConvErr)?;
        accept(answer.as_bytes()).ok_or_else(|| {
            self.log(Level::Notice, "the answer was longer than 512 bytes or not UTF-8, and was refused");
            Code::AuthErr
        })
    }

    fn tell(&mut self, text: &str, is_error: bool) {
        let style = if is_error { PAM_ERROR_MSG } else { PAM_TEXT_INFO };
        // Whether it could be shown changes nothing; an answer, if one comes, is wiped and freed.
        drop(self.converse(&[(style, text)]));
    }

    fn delay_failure(&mut self) {
        // SAFETY: pam_fail_delay(3) takes no pointer but the handle. If it fails, nobody waits.
        unsafe { pam_fail_delay(self.0, FAILURE_DELAY_MICROSECONDS) };
    }

    fn log(&self, level: Level, text: &str) {
        let priority = match level {
            Level::Error => libc::LOG_ERR,
            Level::Notice => libc::LOG_NOTICE,
            Level::Debug => libc::LOG_DEBUG,
        };
        let text = shown(text);
        // SAFETY: pam_syslog(3) is printf-like; the format takes exactly the one string that follows.
        unsafe { pam_syslog(self.0, priority, c"%s".as_ptr(), text.as_ptr()) };
    }
}

fn number_of(token: Token) -> c_int {
    match token {
        Token::Current => PAM_AUTHTOK,
        Token::Old => PAM_OLDAUTHTOK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn pam_start(
            service: *const c_char,
            user: *const c_char,
            conversation: *const Conversation,
            handle: *mut *mut PamHandle,
        ) -> c_int;
        fn pam_end(handle: *mut PamHandle, status: c_int) -> c_int;
    }

    /// An application that answers every question with "secret" and notes what it was shown.
    unsafe extern "C" fn answer_all(
        count: c_int,
        messages: *const *const Message,
        responses: *mut *mut Response,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: `data` is the list that `with_handle` passed on.
        let shown = unsafe { &mut *data.cast::<Vec<(c_int, String)>>() };
        // SAFETY: calloc(3) takes no pointers.
        let array = unsafe { libc::calloc(count as usize, size_of::<Response>()) }.cast::<Response>();
        for index in 0..count as usize {
            // SAFETY: below `count`.
            let message = unsafe { messages.add(index) };
            // SAFETY: an element of the array.
            let message = unsafe { *message };
            // SAFETY: pam_conv(3): each element points to a message.
            let message = unsafe { &*message };
            // SAFETY: pam_conv(3): a message's text is a string.
            let text = unsafe { CStr::from_ptr(message.text) };
            shown.push((message.style, text.to_str().unwrap().to_owned()));
            // SAFETY: strdup(3) of a string.
            let answer = unsafe { libc::strdup(c"secret".as_ptr()) };
            // SAFETY: below `count`.
            let response = unsafe { array.add(index) };
            // SAFETY: an element of the array just allocated.
            unsafe { (*response).text = answer };
        }
        // SAFETY: pam_conv(3): where the answers are to be put.
        unsafe { *responses = array };
        PAM_SUCCESS
    }

    /// Runs `test` on a transaction of the real libpam, and gives what the person was shown.
    fn with_handle(test: impl FnOnce(&mut Handle)) -> Vec<(c_int, String)> {
        let mut shown: Vec<(c_int, String)> = Vec::new();
        let conversation = Conversation { converse: Some(answer_all), data: (&raw mut shown).cast() };
        let mut handle = ptr::null_mut();
        // SAFETY: pam_start(3): two strings, a conversation that outlives the handle, room for a pointer.
        let started = unsafe {
            pam_start(c"other".as_ptr(), c"ada".as_ptr(), &raw const conversation, &raw mut handle)
        };
        assert_eq!(started, PAM_SUCCESS);
        // SAFETY: the handle is valid until pam_end.
        test(&mut unsafe { Handle::new(handle) });
        // SAFETY: pam_end(3) of what pam_start gave.
        assert_eq!(unsafe { pam_end(handle, PAM_SUCCESS) }, PAM_SUCCESS);
        shown
    }

    #[test]
    fn a_panic_is_a_system_error() {
        with_handle(|handle| {
            assert_eq!(contain(handle, |_| panic!("on purpose")), Code::SystemErr);
            assert_eq!(contain(handle, |_| Code::Ignore), Code::Ignore);
        });
    }

    #[test]
    fn a_question_is_asked_in_one_conversation_with_the_text_before_it() {
        let shown = with_handle(|handle| {
            let message = Some("Open https://x");
            let answer =
                handle.ask(Question { message, prompt: "Code: ", echo: true, optional: false }).unwrap();
            assert_eq!(answer.as_str(), "secret");
            handle.tell("Welcome.", false);
        });
        let expected = [
            (PAM_TEXT_INFO, "Open https://x".to_owned()),
            (PAM_PROMPT_ECHO_ON, "Code: ".to_owned()),
            (PAM_TEXT_INFO, "Welcome.".to_owned()),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_the_application_said_is_read() {
        with_handle(|handle| {
            assert_eq!(handle.user().unwrap(), b"ada");
            assert_eq!(handle.service(), "other");
            assert_eq!(handle.rhost(), None);
            handle.delay_failure();
        });
    }

    #[test]
    fn no_text_moves_the_cursor_or_ends_early() {
        assert_eq!(
            shown("Open\thttps://x\n\u{1b}[2J\0\r\u{9b}Code ▀▄").to_str().unwrap(),
            "Open\thttps://x\n[2JCode ▀▄"
        );
        assert_eq!(shown(&"▀".repeat(5000)).as_bytes().len(), 8190);
    }

    #[test]
    fn arguments_are_read_as_libpam_gives_them() {
        let strings = [c"debug".as_ptr(), c"".as_ptr()];
        // SAFETY: an array of two strings.
        let two = unsafe { arguments(2, strings.as_ptr()) };
        assert_eq!(two, [b"debug".as_slice(), b""]);
        // SAFETY: none.
        assert!(unsafe { arguments(0, ptr::null()) }.is_empty());
    }

    #[test]
    fn answers_are_taken_from_the_applications_memory() {
        // SAFETY: calloc(3) of two zeroed responses, whose null pointers mean "no answer".
        let array = unsafe { libc::calloc(2, size_of::<Response>()) }.cast::<Response>();
        // SAFETY: strdup(3) of a string.
        let text = unsafe { libc::strdup(c"secret".as_ptr()) };
        // SAFETY: the second element of the array just allocated.
        let second = unsafe { array.add(1) };
        // SAFETY: an element of the array just allocated.
        unsafe { (*second).text = text };
        let mut answers = take_answers(array, 2);
        assert_eq!(answers.pop().flatten().unwrap().as_bytes(), b"secret");
        assert!(answers.pop().unwrap().is_none());
        assert!(take_answers(ptr::null_mut(), 1).is_empty());
    }
}
