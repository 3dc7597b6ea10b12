//! Every setting, declared once: its key, where its value goes, which values are valid, and what it is
//! for. The reader, config.toml and pody.toml(5) all come out of this table.

use std::ops::RangeInclusive;

use super::draft::LEAST_MEMORY_KIB;
use super::settings::{MAX_VERIFICATIONS, Settings};
use super::value::Kind::{self, Number, OptionalNumber, Text, Time};
use crate::limits::{MAX_ARGON2_LANES, MAX_ARGON2_MEMORY_KIB, MAX_ARGON2_PASSES};

/// A setting.
pub struct Setting {
    /// Its section and name, such as `auth.lockout.first_wait`.
    pub key: &'static str,
    /// What it is for; sentences of plain text.
    pub doc: &'static str,
    /// A value to show where there is no default.
    pub example: Option<&'static str>,
    /// Whether `systemctl reload` applies it; otherwise it waits for a restart.
    pub reloads: bool,
    pub(super) kind: Kind,
}

/// Any id but the system's own. Which of them are reserved is for a rule to say.
const ID: RangeInclusive<u32> = 1000..=u32::MAX - 1;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

/// The sections in the order of config.toml, and what each is about.
pub const SECTIONS: &[(&str, &str)] = &[
    (
        "ids",
        "The ids that new users and groups are given, uids and gids alike. They are the same on every node \
         and are never given twice. They must lie inside a range of the id-ranges file.",
    ),
    ("users", "What a new user gets unless the one who creates it says otherwise."),
    ("auth", "Who may log in."),
    ("auth.lockout", "What guessing passwords costs. Lengths of time are a number and one of s, m, h and d."),
    (
        "password",
        "How passwords are kept: argon2id. A change of memory_kib, passes or lanes reaches a stored password at its owner's next login.",
    ),
    ("nss", "How users and groups are shown to the programs on this node."),
    ("log", "What podyd tells the journal, or standard error where there is no journal."),
];

/// Every setting, in the order of config.toml.
pub static SETTINGS: &[Setting] = &[
    setting(
        "ids.min",
        Number(|draft| &mut draft.ids_min, ID),
        "The lowest id.",
    ),
    setting(
        "ids.max",
        Number(|draft| &mut draft.ids_max, ID),
        "The highest id.",
    ),
    setting(
        "users.home",
        Text(|draft| &mut draft.settings.users.home),
        "The home directory: %u stands for the user's name, %U for the uid, %% for a percent sign.",
    ),
    setting(
        "users.shell",
        Text(|draft| &mut draft.settings.users.shell),
        "The login shell.",
    ),
    setting(
        "auth.mode",
        Text(|draft| &mut draft.settings.auth.mode),
        "How users prove who they are. \"standalone\": with a password that podyd keeps. The environment \
         variable AUTH_MODE sets it, too.",
    ).after_a_restart(),
    setting(
        "auth.max_users",
        OptionalNumber(|draft| &mut draft.settings.auth.max_users, 1..=u32::MAX),
        "No more users than this are created. Without it there is no limit.",
    ).example("500"),
    setting(
        "auth.lockout.user_failures",
        Number(|draft| &mut draft.settings.auth.lockout.user_failures, 1..=1000),
        "Failed logins of one user, one after the other, before that user has to wait.",
    ),
    setting(
        "auth.lockout.source_failures",
        Number(|draft| &mut draft.settings.auth.lockout.source_failures, 1..=100_000),
        "Failed logins from one remote address (in IPv6: one /64 network), whoever the users are, before that address \
         has to wait.",
    ),
    setting(
        "auth.lockout.first_wait",
        Time(|draft| &mut draft.settings.auth.lockout.first_wait, SECOND..=DAY),
        "The first wait. Each further failure doubles it.",
    ),
    setting(
        "auth.lockout.longest_wait",
        Time(|draft| &mut draft.settings.auth.lockout.longest_wait, SECOND..=7 * DAY),
        "The wait grows no longer than this.",
    ),
    setting(
        "auth.lockout.forget_after",
        Time(|draft| &mut draft.settings.auth.lockout.forget_after, MINUTE..=365 * DAY),
        "Failures are forgotten after this long without another one.",
    ),
    setting(
        "password.memory_kib",
        Number(|draft| &mut draft.settings.password.memory_kib, LEAST_MEMORY_KIB..=MAX_ARGON2_MEMORY_KIB),
        "Memory that hashing one password takes, in KiB. Nothing weaker than OWASP's minimum is accepted.",
    ),
    setting(
        "password.passes",
        Number(|draft| &mut draft.settings.password.passes, 1..=MAX_ARGON2_PASSES),
        "How often that memory is gone over.",
    ),
    setting(
        "password.lanes",
        Number(|draft| &mut draft.settings.password.lanes, 1..=MAX_ARGON2_LANES),
        "Lanes, argon2's degree of parallelism.",
    ),
    setting(
        "password.verifications",
        Number(|draft| &mut draft.settings.password.verifications, 0..=MAX_VERIFICATIONS),
        "How many passwords are checked at the same time, each with its own memory; others wait. 0: one per CPU.",
    ).after_a_restart(),
    setting(
        "password.min_length",
        Number(|draft| &mut draft.settings.password.min_length, 8..=128),
        "The fewest characters of a new password. Passwords that are already set stay valid.",
    ),
    setting(
        "nss.enumerate_up_to",
        Number(|draft| &mut draft.settings.nss.enumerate_up_to, 0..=10_000_000),
        "'getent passwd' and 'getent group' list everybody while there are no more users and groups than \
         this, and nobody beyond. Lookups by name and id always work.",
    ),
    setting(
        "nss.merge_after",
        Number(|draft| &mut draft.settings.nss.merge_after, 16..=1_000_000),
        "After how many changed users and groups the snapshot is written anew as a whole; until then \
         only changes are written.",
    ),
    setting(
        "log.level",
        Text(|draft| &mut draft.settings.log.level),
        "The least important messages that are shown: \"error\", \"warn\", \"info\", \"debug\" or \"trace\".",
    ),
];

/// Other variables that set something, honoured because they are in use already.
pub(super) const OTHER_VARIABLES: &[(&str, &str)] = &[("AUTH_MODE", "auth.mode")];

const fn setting(key: &'static str, kind: Kind, doc: &'static str) -> Setting {
    Setting { key, doc, example: None, reloads: true, kind }
}

impl Setting {
    const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    const fn after_a_restart(self) -> Self {
        Self { reloads: false, ..self }
    }

    /// Its value in these settings, as TOML.
    pub(super) fn show(&self, settings: &Settings) -> Option<String> {
        self.kind.show(&mut settings.clone().into())
    }
}
