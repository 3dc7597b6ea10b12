//! podyctl, the admin's hand. It turns a command line into calls on podyd's Varlink socket and the
//! replies into tables or JSON.
//!
//! It opens no database and decides no rule: who may do what, which names are valid and which ids are
//! free, podyd says. Commands write through an [`Output`] and meet people through [`Person`], so that
//! tests run them without a terminal.
#![forbid(unsafe_code)]

pub mod import;

mod arguments;
mod break_glass;
mod daemon;
mod database;
mod doctor;
mod export;
mod failure;
mod generate;
mod group;
mod identity;
mod login;
mod metrics;
mod oidc;
mod output;
mod person;
mod quota;
mod reservations;
mod session;
mod setup;
mod status;
mod table;
mod token;
mod user;

use std::ffi::OsString;
use std::io::{self, BufRead, BufWriter, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
pub use failure::{Code, Failure};
pub use output::Output;
pub use person::{Person, Terminal};

/// What comes of a command.
pub type Result<T> = std::result::Result<T, Failure>;

/// What a command works with, beside its arguments.
pub struct Session<'a> {
    /// podyd's socket.
    pub socket: PathBuf,
    /// Where Pody's configuration is.
    pub configuration: PathBuf,
    /// The uid that podyd sees; none where that cannot be found out.
    pub caller: Option<u32>,
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Standard output and standard error.
    pub output: Output<'a>,
    /// Whoever sits at the terminal, if it is one.
    pub person: Option<&'a mut dyn Person>,
}

/// Runs podyctl with this process's arguments, streams and environment.
pub fn main() -> ExitCode {
    let stdout = BufWriter::new(io::stdout());
    let stdin = io::stdin();
    let mut terminal = Terminal;
    let mut session = Session {
        socket: daemon::socket(std::env::var_os("PODY_HOME")),
        configuration: daemon::configuration(std::env::var_os("PODY_HOME")),
        // Who owns this process's entry in proc(5) is who podyd sees (SO_PEERCRED).
        caller: std::fs::metadata("/proc/self").map(|process| process.uid()).ok(),
        person: if stdin.is_terminal() { Some(&mut terminal) } else { None },
        input: &mut stdin.lock(),
        output: Output::new(Box::new(stdout), Box::new(io::stderr()))
            .on_terminals(io::stdout().is_terminal(), io::stderr().is_terminal())
            .in_colour(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())),
    };
    run(std::env::args_os(), &mut session).into()
}

/// Runs one command line; what went wrong has been said when this returns.
pub fn run(arguments: impl IntoIterator<Item = OsString>, session: &mut Session<'_>) -> Code {
    let result = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => {
            session.output.json = arguments.json;
            dispatch(arguments.command, session)
        }
        Err(error) if error.use_stderr() => Err(Failure::new(Code::Usage, error.render())),
        Err(help) => session.output.text(&help.render().to_string()),
    };
    let result = result.and_then(|()| session.output.flush());
    match result {
        Ok(()) => Code::Done,
        Err(failure) => {
            // What was printed before the failure is still worth reading.
            let _ = session.output.flush();
            session.output.complain(&failure);
            failure.code
        }
    }
}

fn dispatch(command: Command, session: &mut Session<'_>) -> Result<()> {
    match command {
        Command::User(command) => user::run(command, session),
        Command::Group(command) => group::run(command, session),
        Command::Token(command) => token::run(command, session),
        Command::Identity(command) => identity::run(command, session),
        Command::Session(command) => session::run(command, session),
        Command::Quota(command) => quota::run(command, session),
        Command::Status => status::run(session),
        Command::Doctor => doctor::run(session),
        Command::Metrics => metrics::run(session),
        Command::Login(arguments) => login::run(arguments, session),
        Command::BreakGlass(arguments) => break_glass::run(arguments, session),
        Command::Oidc(command) => oidc::run(command, session),
        Command::Reservations => reservations::run(session),
        Command::Setup(arguments) => setup::run(arguments, session),
        Command::Db(command) => database::run(command, session),
        Command::Completions { shell } => generate::completions(shell, session),
        Command::Generate(command) => generate::run(command),
    }
}
