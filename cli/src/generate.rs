//! Completion scripts and man pages, made of the declaration in `arguments`.

use std::fs;
use std::path::Path;

use clap::CommandFactory;

use crate::arguments::{Arguments, GenerateCommand, Shell};
use crate::{Code, Failure, Result, Session};

/// Prints a completion script.
pub fn completions(shell: Shell, session: &mut Session<'_>) -> Result<()> {
    // The generator panics where it cannot write: it gets memory, and the pipe gets the text.
    let mut script = Vec::new();
    clap_complete::generate(generator(shell), &mut Arguments::command(), "podyctl", &mut script);
    session.output.writer().write_all(&script).map_err(Failure::of_writing)
}

/// Writes the files that packages ship.
pub fn run(command: GenerateCommand) -> Result<()> {
    match command {
        GenerateCommand::Man { directory } => man_pages(&directory),
        GenerateCommand::Completions { directory } => {
            [Shell::Bash, Shell::Zsh, Shell::Fish].into_iter().try_for_each(|shell| script(shell, &directory))
        }
    }
}

fn script(shell: Shell, directory: &Path) -> Result<()> {
    clap_complete::generate_to(generator(shell), &mut Arguments::command(), "podyctl", directory)
        .map(drop)
        .map_err(|error| cannot_write(directory, error))
}

/// One page for podyctl and one for each command, as git has them.
fn man_pages(directory: &Path) -> Result<()> {
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    man_page(root, directory)
}

fn man_page(command: clap::Command, directory: &Path) -> Result<()> {
    if command.is_hide_set() {
        return Ok(());
    }
    command.get_subcommands().try_for_each(|command| man_page(command.clone(), directory))?;
    let page = clap_mangen::Man::new(command).manual("Pody").source("Pody");
    let mut text = Vec::new();
    page.render(&mut text)
        .and_then(|()| fs::write(directory.join(page.get_filename()), with_headings(&text)))
        .map_err(|error| cannot_write(directory, error))
}

/// clap calls whatever stands below the options EXTRA; man pages have names for it (man-pages(7)), and
/// leave its lines as they are.
fn with_headings(page: &[u8]) -> String {
    String::from_utf8_lossy(page)
        .replace("\n.SH EXTRA\n", "\n")
        .replace("\nExamples:\n", "\n.SH EXAMPLES\n.nf\n")
        .replace("\nExit codes:\n", "\n.SH EXIT STATUS\n.nf\n")
        .replace("\n\nEnvironment:\n", "\n.SH ENVIRONMENT\n.nf\n")
}

fn generator(shell: Shell) -> clap_complete::Shell {
    match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    }
}

fn cannot_write(directory: &Path, error: std::io::Error) -> Failure {
    Failure::new(Code::Failed, format_args!("cannot write to {}: {error}", directory.display()))
}
