//! podyctl against a podyd that the tests write: the real program over a real socket, and its commands
//! with a scripted person at the terminal.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod commands;
mod directory;
mod doctor;
mod identities;
mod imports;
mod login;
mod oidc;
mod parsers;
mod podyd;
mod sessions;
mod shipped;
mod terminal;
mod tokens;
