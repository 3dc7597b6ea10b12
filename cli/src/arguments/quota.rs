//! The commands about quotas, as part of the command line.

use clap::{Args, Subcommand};

/// What can be limited, for the help of those that name it.
const FIELDS: &str = "Fields:
  blocks_soft, blocks_hard  data on a filesystem: 20G, 1.5TiB, none
  inodes_soft, inodes_hard  files and directories there: 200000, 200k, none
  memory_max, memory_high   memory of all processes together: 8G, none
  cpu_quota                 time of processors, 100% is one of them: 150%, none
  tasks_max                 processes and threads: 4096, none
  io_weight                 share of busy disks, 1 to 10000, 100 is usual
  sessions                  sessions at the same time: 10, none

Beyond a soft limit there is a time of grace, beyond a hard one there is nothing more.

";

/// The commands about quotas.
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Say how much a user, or everybody in a group, may use on this node
    ///
    /// A user's own limits win over those of groups, and those over [quota.default] in config.toml, field by field.
    /// Of several groups, the most generous one counts. They are in force when the command returns.
    #[command(after_help = format!("{FIELDS}Examples:\n  podyctl quota set ada blocks_hard=20G blocks_soft=18G\n  \
        podyctl quota set --group physics blocks_hard=1.5TiB --filesystem /scratch\n  \
        podyctl quota set bob memory_max=8G tasks_max=500 sessions=4"))]
    Set(SetQuota),

    /// Show what holds for a user, who says so, and how much of it is used now
    ///
    /// Of a group, and of nobody in particular, what is said of it. Users may look at themselves.
    #[command(after_help = "Examples:\n  podyctl quota show ada\n  podyctl quota show --group physics\n  \
        podyctl quota show\n  podyctl quota show ada --json | jq '.values[] | {field, limit, source}'")]
    Show(QuotaOf),

    /// Forget what was said of a user or a group: all of it, or some fields
    #[command(
        after_help = "Examples:\n  podyctl quota unset ada\n  podyctl quota unset ada blocks_hard blocks_soft\n  \
        podyctl quota unset --group physics tasks_max"
    )]
    Unset(UnsetQuota),

    /// List who uses how much, whoever is nearest to a limit first; for root and admins
    #[command(
        after_help = "Examples:\n  podyctl quota report\n  podyctl quota report --filesystem /home --top 20\n  \
        podyctl quota report --json | jq -r '.[] | select(.permille > 900).user'"
    )]
    Report {
        /// Only there
        #[arg(long, value_name = "PATH")]
        filesystem: Option<String>,

        /// How many at the most
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
        top: Option<u32>,
    },

    /// Put all limits right now, and say which were not; for root and admins
    ///
    /// Of memory, processors and tasks, those whose slices are up or were limited before. podyd does so by itself whenever
    /// something changes, and now and then ([quota] reconcile_every). Homes that were there before a project quota get their
    /// project id, with all that is in them; that is done only here.
    #[command(after_help = "Examples:\n  podyctl quota apply\n  podyctl quota apply --dry-run")]
    Apply {
        /// Change nothing
        #[arg(long)]
        dry_run: bool,
    },

    /// List limits that are not what they should be, and what keeps limits from being in force
    ///
    /// Exits with 0 if all is well and 1 if it is not. For root and admins.
    #[command(
        after_help = "Examples:\n  podyctl quota check\n  podyctl quota check --json | jq -r '.[].user'"
    )]
    Check,
}

/// Limits and whose they are to be.
#[derive(Debug, Args)]
pub struct SetQuota {
    /// The user's name, or with --group the group's
    pub name: String,

    /// Fields and their limits
    #[arg(required = true, value_name = "FIELD=LIMIT", value_parser = field_and_limit)]
    pub limits: Vec<(String, String)>,

    /// The name is that of a group
    #[arg(long)]
    pub group: bool,

    /// Where blocks and inodes are counted, with project: before it where homes are; needed where there are several
    #[arg(long, value_name = "PATH")]
    pub filesystem: Option<String>,
}

/// Whose limits.
#[derive(Debug, Args)]
pub struct QuotaOf {
    /// The user's name, or with --group the group's; without it, what holds for everybody
    pub name: Option<String>,

    /// The name is that of a group
    #[arg(long, requires = "name")]
    pub group: bool,
}

/// What is to be forgotten.
#[derive(Debug, Args)]
pub struct UnsetQuota {
    /// The user's name, or with --group the group's
    pub name: String,

    /// Fields; without any, all of them
    #[arg(value_name = "FIELD")]
    pub fields: Vec<String>,

    /// The name is that of a group
    #[arg(long)]
    pub group: bool,

    /// Where blocks and inodes are counted, with project: before it where homes are; needed where there are several
    #[arg(long, value_name = "PATH")]
    pub filesystem: Option<String>,
}

fn field_and_limit(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, limit)) if !field.is_empty() && !limit.is_empty() => Ok((field.into(), limit.into())),
        _ => Err("write a field and its limit, such as blocks_hard=20G".into()),
    }
}
