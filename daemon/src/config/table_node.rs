//! The settings about what a node does for its users beside logins: a part of the table of settings.

use super::setting::{Setting, setting};
use super::value::Kind::{Flag, List, OptionalPath, Text};

/// Every one of them.
pub(super) static NODE_SETTINGS: &[Setting] = &[
    setting(
        "homes.create",
        Flag(|draft| &mut draft.settings.homes.create),
        "Whether a home is made at its owner's first session. One that is there is left as it is.",
    ),
    setting(
        "homes.roots",
        List(|draft| &mut draft.settings.homes.roots),
        "Where homes may be: below one of these directories, which are root's. No other place is ever touched.",
    ),
    setting(
        "homes.mode",
        Text(|draft| &mut draft.settings.homes.mode),
        "The permissions of a new home.",
    ),
    setting(
        "homes.skel",
        Text(|draft| &mut draft.settings.homes.skel),
        "What a new home holds: a copy of this directory, whose links are copied and not followed.",
    ),
    setting(
        "homes.on_delete",
        Text(|draft| &mut draft.settings.homes.on_delete),
        "What becomes of the home of somebody who is deleted from the directory. \"keep\": nothing. \"archive\": it is moved to \
         where only root looks. \"remove\": it is deleted. It is never done to a directory of anybody else, through a link, or \
         across file systems.",
    ),
    setting(
        "homes.archive_to",
        OptionalPath(|draft| &mut draft.settings.homes.archive_to),
        "Where archived homes go, on the file system that they are on. Without it, they go to .archived in their root.",
    ).example("\"/home/.archived\""),
    setting(
        "sessions.services",
        List(|draft| &mut draft.settings.sessions.services),
        "The PAM services whose sessions are listed, limited and ended. Without \"cron\" and \"systemd-user\", which are \
         nobody's logins.",
    ),
    setting(
        "sessions.end_when_locked",
        Flag(|draft| &mut draft.settings.sessions.end_when_locked),
        "Whether sessions on this node are ended, with all that their users run here, as soon as the directory shows that a \
         user is locked, has expired or was deleted, or the OpenID provider is found to have ended one. Otherwise nobody of \
         them gets in again, and whoever is in stays.",
    ),
];
