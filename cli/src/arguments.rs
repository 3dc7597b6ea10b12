//! The command line: one declaration from which parser, help, man pages and completions are made.

mod database;
mod identity;
mod login;
mod oidc;
mod quota;
mod session;
mod setup;

use std::path::PathBuf;

use ::identity::Day;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

pub use self::identity::{IdentityCommand, Linking};
pub use database::DbCommand;
pub use login::{BreakGlass, Login};
pub use oidc::OidcCommand;
pub use quota::{QuotaCommand, QuotaOf, SetQuota, UnsetQuota};
pub use session::{EndSession, SessionCommand};
pub use setup::Setup;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or not all of it was done
  2  the command line, or a value in it, is wrong
  3  there is no such user, group or token
  4  a name or id is taken, or the record has changed meanwhile
  5  refused: not permitted, read-only, or against the policy
  6  podyd or the directory cannot be reached

Environment:
  PODY_HOME  podyd's files are under this directory: the socket is $PODY_HOME/run/varlink
  NO_COLOR   no colours, whatever the terminal can do

Who may do what, podyd decides by the uid that calls: root and admins everything, users what
concerns themselves.";

/// Manages the users and groups that Pody serves on this cluster.
#[derive(Debug, Parser)]
#[command(name = "podyctl", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Arguments {
    /// Print one JSON array or object instead of words and tables
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add, show, change, import and export users
    #[command(subcommand, after_help = "Examples:\n  podyctl user add ada\n  podyctl user list")]
    User(UserCommand),

    /// Add, show and delete groups, and say who belongs to them
    #[command(
        subcommand,
        after_help = "Examples:\n  podyctl group add physics\n  podyctl group add-member physics ada bob"
    )]
    Group(GroupCommand),

    /// Create, list, check and revoke bearer tokens, with which programs show who they act for
    #[command(
        subcommand,
        after_help = "Examples:\n  podyctl token create --name backup --owner ada > backup.token\n  podyctl token list"
    )]
    Token(TokenCommand),

    /// Say who users are to OpenID providers
    #[command(
        subcommand,
        after_help = "Examples:\n  podyctl identity list ada\n  \
            podyctl identity link ada https://login.example.com 248289761001"
    )]
    Identity(IdentityCommand),

    /// Show who is on this node, and end sessions
    #[command(subcommand, after_help = "Examples:\n  podyctl session list ada\n  podyctl session end 12")]
    Session(SessionCommand),

    /// Set this node up for the first time: its directory, the first admin, an OpenID provider, nsswitch.conf and PAM
    ///
    /// Asks on the terminal, tries at once what the answers name, shows a summary, and changes nothing before that is
    /// confirmed. It is for root, while the directory has no admin and auth.mode is "standalone". Whatever is wrong
    /// later, podyctl and config.toml change it.
    ///
    /// With --answers nothing is asked. The file is JSON. "directory" is {"kind": "own"} (the default), {"kind":
    /// "database", "url", "token"} or {"kind": "node", "endpoint", "access_token", "ca_file"}; "admin" has "name",
    /// "gecos" and "password"; "oidc" has "issuer", "client_id", "client_secret" and "ca_file"; "nsswitch" and "pam" are
    /// true unless they are false.
    #[command(
        after_help = "Examples:\n  sudo podyctl setup\n  podyctl setup --answers-example > answers.json\n  \
        sudo podyctl setup --answers answers.json --dry-run"
    )]
    Setup(Setup),

    /// Say how much users may use on this node, and see how much they do
    #[command(
        subcommand,
        after_help = "Examples:\n  podyctl quota set ada blocks_hard=20G\n  podyctl quota show ada\n  podyctl quota report"
    )]
    Quota(QuotaCommand),

    /// Show how this node is doing
    #[command(after_help = "Examples:\n  podyctl status\n  podyctl status --json | jq .published_revision")]
    Status,

    /// Look for what is wrong with this node, or soon may be
    ///
    /// Each finding is a problem (something does not work, or a secret is open to others), a warning (it may
    /// not work for long, or is not as safe as it could be) or a note, with what to do about it. Nothing is
    /// changed. Exits with 0 if there is no problem and 1 if there is one, podyd not answering among them.
    /// What is said of secrets and tokens is for root and admins alone.
    #[command(after_help = "Examples:\n  sudo podyctl doctor\n  \
        podyctl doctor --json | jq -r '.[] | select(.severity == \"problem\").finding'")]
    Doctor,

    /// Print what podyd counts and how it stands, as Prometheus reads it
    ///
    /// The same as /metrics over HTTP, for nodes that serve nobody: the textfile collector of Prometheus's
    /// node_exporter takes it.
    #[command(after_help = "Examples:\n  podyctl metrics > /var/lib/prometheus/node-exporter/pody.prom\n  \
        podyctl metrics | grep revision")]
    Metrics,

    /// Log in at the OpenID provider, for a one-time code that logs you in on this node
    ///
    /// A browser on this machine opens the provider's page. The code is good once and for a minute, wherever
    /// a login asks for a password or a code. Standard output gets the code and nothing else.
    #[command(
        after_help = "Examples:\n  podyctl login\n  podyctl login --no-browser --json | jq -r .code\n  \
        podyctl login --code < id-token.txt"
    )]
    Login(Login),

    /// Let a user in on this node once, whatever the provider or the database is doing; for root alone
    ///
    /// Standard output gets a one-time code and nothing else: the user types it where a login asks. The
    /// journal says who asked for it, for whom and why, and when and from where it was used. Nobody is
    /// created, and locked and expired users stay out.
    #[command(
        after_help = "Examples:\n  podyctl break-glass ada --reason 'login.example.com is away, INC-4711'\n  \
        podyctl break-glass ada --for 1h --reason 'repairs the array'"
    )]
    BreakGlass(BreakGlass),

    /// Look after the OpenID provider of this node
    #[command(subcommand, after_help = "Examples:\n  sudo podyctl oidc check")]
    Oidc(OidcCommand),

    /// Show what is reserved on this node for people whose first login may be under way
    ///
    /// Where the OpenID provider vouches for people who have no account yet, sshd and login find a locked one
    /// for a while: its ids are those that the person will have. What comes to nothing goes back by itself.
    /// For root and admins.
    #[command(after_help = "Examples:\n  sudo podyctl reservations\n  \
        podyctl reservations --json | jq -r '.[].name'")]
    Reservations,

    /// Look after the database behind the directory; for root alone
    #[command(
        subcommand,
        after_help = "Examples:\n  podyctl db status\n  podyctl db migrate\n  podyctl db copy --to-config new.toml"
    )]
    Db(DbCommand),

    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  podyctl completions bash > /etc/bash_completion.d/podyctl")]
    Completions {
        /// Which shell
        shell: Shell,
    },

    /// Write the files that packages ship
    #[command(subcommand, hide = true, after_help = "Examples:\n  podyctl generate man docs/man")]
    Generate(GenerateCommand),
}

/// The commands about users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user, with a private group of the same name
    ///
    /// On a terminal, the password is asked for. Elsewhere give it with --password-stdin, or the user is
    /// created without one.
    #[command(
        after_help = "Examples:\n  podyctl user add ada --gecos 'Ada Lovelace' --groups physics,staff-7\n  \
        pass show ada | podyctl user add ada --password-stdin"
    )]
    Add(Add),

    /// Show one user
    #[command(after_help = "Examples:\n  podyctl user show ada\n  podyctl user show 1900000000 --json")]
    Show {
        /// The login name, or the uid
        #[arg(value_name = "NAME|UID")]
        user: String,
    },

    /// List all users, in the order of their names
    #[command(
        after_help = "Examples:\n  podyctl user list\n  podyctl user list --json | jq -r '.[] | select(.is_admin).name'"
    )]
    List,

    /// Change a user
    #[command(after_help = "Examples:\n  podyctl user update ada --shell /bin/zsh --expires 2027-09-30\n  \
        podyctl user update ada --expires never --email ''")]
    Update(Update),

    /// Delete a user, the private group and all memberships
    ///
    /// Files are left alone. The uid is never given to another.
    #[command(after_help = "Examples:\n  podyctl user delete ada\n  podyctl user delete ada --yes")]
    Delete {
        /// The login name
        name: String,
        /// Ask no question
        #[arg(long, short)]
        yes: bool,
    },

    /// Let a user in no more, by no door; tokens are revoked, and nothing else is lost
    ///
    /// Whoever is in stays in, unless --kill is given or the nodes end such sessions by themselves (the
    /// setting sessions.end_when_locked).
    #[command(
        visible_alias = "disable",
        after_help = "Examples:\n  podyctl user lock ada\n  podyctl user lock ada --kill"
    )]
    Lock {
        /// The login name
        name: String,
        /// End the user's sessions on this node, and whatever else they run here
        #[arg(long)]
        kill: bool,
    },

    /// Let a locked user in again
    #[command(visible_alias = "enable", after_help = "Examples:\n  podyctl user unlock ada")]
    Unlock {
        /// The login name
        name: String,
    },

    /// Set a password: your own, or as an admin anybody's
    ///
    /// Your own is changed with the old one (with --password-stdin: two lines, the old and the new). root is
    /// not asked for old ones.
    #[command(after_help = "Examples:\n  podyctl user passwd\n  podyctl user passwd ada\n  \
        pwgen 20 1 | podyctl user passwd ada --password-stdin")]
    Passwd(Passwd),

    /// Take users over from elsewhere, with their passwords
    ///
    /// Each record is taken or refused by itself, and every refusal is reported with its line. Stored
    /// passwords of the kinds $argon2id$ $y$ $6$ $5$ $2a$ $2b$ $2y$ $apr1$ keep working. It is safe to run
    /// the same import again: those who are here already are refused.
    #[command(
        after_help = "Examples:\n  podyctl user import --shadow old/shadow --group old/group --dry-run old/passwd\n  \
        podyctl user import .htpasswd\n  podyctl user import --new-ids backup.jsonl"
    )]
    Import(ImportArguments),

    /// Write all users and groups, with password hashes, as JSON Lines
    #[command(
        after_help = "Examples:\n  podyctl user export -o backup.jsonl\n  podyctl user export | age -r … > backup.age"
    )]
    Export {
        /// Write to this file, which only you may read, instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace the file if there is one
        #[arg(long, requires = "output")]
        force: bool,
    },
}

/// `user add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The login name: a-z, 0-9, '_', '.', '-', at most 32 characters
    pub name: String,
    /// The uid; by default the next free one
    #[arg(long)]
    pub uid: Option<u32>,
    /// An existing primary group, in place of a private one
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Existing groups to join, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub groups: Vec<String>,
    /// The comment field, usually the full name
    #[arg(long, value_name = "TEXT")]
    pub gecos: Option<String>,
    /// The e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The home directory
    #[arg(long, value_name = "DIR")]
    pub home: Option<String>,
    /// The login shell
    #[arg(long, value_name = "FILE")]
    pub shell: Option<String>,
    /// The first day on which the account has expired, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = expiry)]
    pub expires: Option<String>,
    /// Let this user administer the directory
    #[arg(long)]
    pub admin: bool,
    /// Take the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Ask for no password: the user can log in by other means alone
    #[arg(long, conflicts_with = "password_stdin")]
    pub no_password: bool,
    /// Take the name although it was a deleted user's
    #[arg(long)]
    pub reuse_name: bool,
}

/// `user update`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub struct Update {
    /// The login name
    pub name: String,
    /// A new login name; uid, home and memberships stay
    #[arg(long, value_name = "NAME", group = "change")]
    pub rename: Option<String>,
    /// The comment field
    #[arg(long, value_name = "TEXT", group = "change")]
    pub gecos: Option<String>,
    /// The e-mail address; '' removes it
    #[arg(long, value_name = "ADDRESS", group = "change")]
    pub email: Option<String>,
    /// The home directory (nothing is moved)
    #[arg(long, value_name = "DIR", group = "change")]
    pub home: Option<String>,
    /// The login shell
    #[arg(long, value_name = "FILE", group = "change")]
    pub shell: Option<String>,
    /// The first day on which the account has expired, YYYY-MM-DD, or 'never'
    #[arg(long, value_name = "DATE", value_parser = expiry, group = "change")]
    pub expires: Option<String>,
    /// Let this user administer the directory
    #[arg(long, group = "change")]
    pub admin: bool,
    /// Let this user administer the directory no more
    #[arg(long, group = "change", conflicts_with = "admin")]
    pub no_admin: bool,
}

/// `user passwd`.
#[derive(Debug, Args)]
pub struct Passwd {
    /// The login name; yours by default
    pub name: Option<String>,
    /// Take the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Take the password away: the user can log in by other means alone
    #[arg(long, conflicts_with = "password_stdin")]
    pub remove: bool,
}

/// `user import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// What to read
    pub file: PathBuf,
    /// What kind of file it is; guessed by default
    #[arg(long)]
    pub format: Option<Format>,
    /// The shadow file with the passwords of a passwd file
    #[arg(long, value_name = "FILE")]
    pub shadow: Option<PathBuf>,
    /// The group file with the groups of a passwd file
    #[arg(long, value_name = "FILE")]
    pub group: Option<PathBuf>,
    /// Lines of passwd and group files with lower ids belong to the system and are left out
    #[arg(long, value_name = "ID", default_value_t = 1000)]
    pub min_uid: u32,
    /// Lines of passwd and group files with higher ids belong to the system and are left out
    #[arg(long, value_name = "ID", default_value_t = 59_999)]
    pub max_uid: u32,
    /// Give everybody a fresh uid and gid instead of the ones they had
    #[arg(long)]
    pub new_ids: bool,
    /// Take names although they were deleted users' and groups'
    #[arg(long)]
    pub reuse_name: bool,
    /// Check everything, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write every refusal and note to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// What an imported file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// passwd(5), with --shadow and --group
    Passwd,
    /// Apache's name:hash lines
    Htpasswd,
    /// users.db of the original Pody
    PodyDb,
    /// JSON Lines, as 'podyctl user export' writes them
    Jsonl,
}

/// The commands about groups.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Create a group
    #[command(after_help = "Examples:\n  podyctl group add physics")]
    Add {
        /// The name: a-z, 0-9, '_', '.', '-', at most 32 characters
        name: String,
        /// The gid; by default the next free one
        #[arg(long)]
        gid: Option<u32>,
        /// Take the name although it was a deleted group's
        #[arg(long)]
        reuse_name: bool,
    },

    /// Show one group and its members
    #[command(
        after_help = "Examples:\n  podyctl group show physics\n  podyctl group show physics --json | jq -r '.members[]'"
    )]
    Show {
        /// The name, or the gid
        #[arg(value_name = "NAME|GID")]
        group: String,
    },

    /// List all groups, in the order of their names
    #[command(after_help = "Examples:\n  podyctl group list\n  podyctl group list --private")]
    List {
        /// Users' private groups, too
        #[arg(long)]
        private: bool,
    },

    /// Delete a group and its memberships
    #[command(after_help = "Examples:\n  podyctl group delete physics --yes")]
    Delete {
        /// The name
        name: String,
        /// Ask no question
        #[arg(long, short)]
        yes: bool,
    },

    /// Make users members of a group
    #[command(after_help = "Examples:\n  podyctl group add-member physics ada bob")]
    AddMember(Members),

    /// End the membership of users
    #[command(after_help = "Examples:\n  podyctl group remove-member physics ada bob")]
    RemoveMember(Members),
}

/// A group and some users.
#[derive(Debug, Args)]
pub struct Members {
    /// The group's name
    pub group: String,
    /// The users' login names
    #[arg(required = true, value_name = "USER")]
    pub users: Vec<String>,
}

/// The commands about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token, and print it: this once, and never again
    ///
    /// Standard output gets the token and nothing else. It ends when it is revoked, when its time is over, or
    /// when its owner is deleted or locked.
    #[command(after_help = "Examples:\n  podyctl token create --name backup > ~/.config/backup.token\n  \
        podyctl token create --name gitea --owner svc-gitea --scope read,authenticate --from 192.0.2.0/24 --expires 2027-09-30")]
    Create(NewToken),

    /// List tokens: all there are for root and admins, your own otherwise
    #[command(after_help = "Examples:\n  podyctl token list --owner ada\n  \
        podyctl token list --json | jq -r '.[] | select(.last_used_at == null) | .owner + \" \" + .name'")]
    List {
        /// Whose tokens
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
    },

    /// Revoke a token: no node accepts it any more
    #[command(
        after_help = "Examples:\n  podyctl token revoke backup\n  podyctl token revoke backup --owner ada"
    )]
    Revoke {
        /// What the token is called
        name: String,
        /// Whose it is; yours by default
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
    },

    /// Tell whether a token is accepted and, if not, why
    ///
    /// The token is the first line of standard input. Without --scope and --from, only the token and its
    /// owner are judged. Exits with 0 if it is accepted and 5 if not.
    #[command(after_help = "Examples:\n  podyctl token check < backup.token\n  \
        podyctl token check --scope write --from 192.0.2.7 < backup.token")]
    Check(CheckToken),
}

/// `token create`.
#[derive(Debug, Args)]
pub struct NewToken {
    /// What to call it: a-z, 0-9, '_', '.', '-', at most 64 characters
    #[arg(long)]
    pub name: String,
    /// Whose it is; yours by default
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    /// What it is for: read, authenticate, write, password, provision, separated by commas
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', default_value = "read")]
    pub scope: Vec<String>,
    /// The first day on which it has expired, YYYY-MM-DD (UTC), or 'never'
    #[arg(long, value_name = "DATE", value_parser = expiry, default_value = "never")]
    pub expires: String,
    /// The networks or addresses that it may be used from, separated by commas; anywhere by default
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',')]
    pub from: Vec<String>,
}

/// `token check`.
#[derive(Debug, Args)]
pub struct CheckToken {
    /// What it is to be used for: read, authenticate or write
    #[arg(long)]
    pub scope: Option<String>,
    /// The address that it is to be used from
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// It is being used: note when and from where, as a service does that asks for each of its clients
    #[arg(long = "use", requires = "scope", requires = "from")]
    pub is_use: bool,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What packages ship beside the program.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// Write the man pages
    #[command(after_help = "Examples:\n  podyctl generate man docs/man")]
    Man {
        /// An existing directory
        directory: PathBuf,
    },
    /// Write the completion scripts of all shells
    #[command(after_help = "Examples:\n  podyctl generate completions debian/completions")]
    Completions {
        /// An existing directory
        directory: PathBuf,
    },
}

/// Reads a date as podyd does; `never` is podyd's empty text.
fn expiry(text: &str) -> Result<String, String> {
    if text == "never" {
        return Ok(String::new());
    }
    match text.parse::<Day>() {
        Ok(day) => Ok(day.to_string()),
        Err(error) => Err(format!("{error}, or 'never'")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_declaration_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command) {
            for command in command.get_subcommands() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:\n  "), "{}", command.get_name());
                check(command);
            }
        }
        check(&Arguments::command());
    }

    #[test]
    fn no_argument_takes_a_password() {
        let mut long = Vec::new();
        fn collect(command: &clap::Command, long: &mut Vec<String>) {
            let takes_values =
                command.get_arguments().filter(|argument| argument.get_action().takes_values());
            long.extend(takes_values.map(|argument| argument.get_id().to_string()));
            command.get_subcommands().for_each(|command| collect(command, long));
        }
        collect(&Arguments::command(), &mut long);
        let is_secret = |name: &String| ["pass", "token", "secret"].iter().any(|word| name.contains(word));
        assert!(!long.is_empty() && !long.iter().any(is_secret), "{long:?}");
    }

    #[test]
    fn a_date_is_checked_and_never_is_empty() {
        assert_eq!(expiry("2027-09-30"), Ok("2027-09-30".into()));
        assert_eq!(expiry("never"), Ok(String::new()));
        assert!(expiry("2027-02-30").is_err() && expiry("tomorrow").is_err());
    }
}
