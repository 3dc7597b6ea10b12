//! Why a command failed, and what podyctl exits with.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use protocol::{ClientError, Error};

/// The exit codes, which scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Done = 0,
    /// It could not be done, or not all of it.
    Failed = 1,
    /// The command line, or a value in it, can never be right.
    Usage = 2,
    /// There is no such user, group or token.
    NotFound = 3,
    /// A name or id is taken, or the record has changed meanwhile.
    Conflict = 4,
    /// Not permitted, read-only, or against the policy.
    Refused = 5,
    /// podyd or the directory cannot be reached.
    Away = 6,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        (code as u8).into()
    }
}

/// A failure: the exit code, and a sentence for the admin (empty if everything has been said).
#[derive(Debug)]
pub struct Failure {
    /// What podyctl exits with.
    pub code: Code,
    /// What is wrong and what to do next.
    pub message: String,
}

impl Failure {
    /// A failure with something to say.
    pub fn new(code: Code, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }

    /// A failure about which everything has been said.
    pub fn silent(code: Code) -> Self {
        Self { code, message: String::new() }
    }

    /// Nobody reads our output: `podyctl user list | head` is no failure. A full disk is one.
    pub fn of_writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(Code::Done),
            _ => Self::new(Code::Failed, format_args!("cannot write the output: {error}")),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            ClientError::Away(_) | ClientError::Deadline => Code::Away,
            ClientError::Malformed(_) => Code::Failed,
            ClientError::Refused(error) => code_of(error),
        };
        match error {
            ClientError::Away(_) => Self::new(
                code,
                format_args!("{error}; what became of the call is not known. See: systemctl status podyd"),
            ),
            ClientError::Deadline => Self::new(
                code,
                format_args!(
                    "{error}; what became of the call is not known. See: journalctl -u podyd. If it hangs: systemctl restart podyd"
                ),
            ),
            ClientError::Refused(Error::MethodNotFound { message }) => Self::new(
                code,
                format_args!(
                    "podyd does not know {message}: it is older than this podyctl. Try: systemctl restart podyd"
                ),
            ),
            error => Self::new(code, error),
        }
    }
}

fn code_of(error: &Error) -> Code {
    match error {
        Error::InvalidInput { .. } => Code::Usage,
        Error::NotFound { .. } => Code::NotFound,
        Error::Conflict { .. } => Code::Conflict,
        Error::Refused { .. } => Code::Refused,
        Error::Away { .. } | Error::Busy { .. } => Code::Away,
        Error::Failed { .. } | Error::MethodNotFound { .. } => Code::Failed,
    }
}
