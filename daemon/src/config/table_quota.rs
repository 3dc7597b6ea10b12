//! The settings of quotas: a part of the table.

use super::quota::last_filesystem;
use super::setting::{Setting, setting};
use super::value::Kind::{Limit, Text, Time};
use crate::quota::Field;

pub(super) use super::quota::FILESYSTEMS;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// Every setting of `[quota]` and the sections below it, in the order of config.toml.
pub(super) static QUOTA_SETTINGS: &[Setting] = &[
    setting(
        "quota.reconcile_every",
        Time(|draft| &mut draft.settings.quota.reconcile_every, MINUTE..=DAY),
        "How often all limits are compared with what they should be, and put right. Whatever podyd knows of is put right at \
         once: this is for what somebody else changes.",
    ),
    setting(
        "quota.default.blocks_soft",
        Limit(|draft| &mut draft.settings.quota.default, Field::BlocksSoft),
        "Data beyond which a user is warned at each login, and may write for the time of block_grace.",
    ).example("\"20G\""),
    setting(
        "quota.default.blocks_hard",
        Limit(|draft| &mut draft.settings.quota.default, Field::BlocksHard),
        "Data beyond which nothing more is written.",
    ).example("\"25G\""),
    setting(
        "quota.default.inodes_soft",
        Limit(|draft| &mut draft.settings.quota.default, Field::InodesSoft),
        "Files and directories beyond which a user is warned, and may make more for the time of inode_grace. k stands for \
         thousands here, M for millions.",
    ).example("\"200k\""),
    setting(
        "quota.default.inodes_hard",
        Limit(|draft| &mut draft.settings.quota.default, Field::InodesHard),
        "Files and directories beyond which no more are made.",
    ).example("\"250k\""),
    setting(
        "quota.default.memory_max",
        Limit(|draft| &mut draft.settings.quota.default, Field::MemoryMax),
        "Memory of all processes of a user together, beyond which the kernel kills some of them (MemoryMax= of \
         user-UID.slice).",
    ).example("\"8G\""),
    setting(
        "quota.default.memory_high",
        Limit(|draft| &mut draft.settings.quota.default, Field::MemoryHigh),
        "Memory beyond which the kernel slows them down (MemoryHigh=).",
    ).example("\"7G\""),
    setting(
        "quota.default.cpu_quota",
        Limit(|draft| &mut draft.settings.quota.default, Field::CpuQuota),
        "Time of processors: \"100%\" is one of them (CPUQuota=).",
    ).example("\"400%\""),
    setting(
        "quota.default.tasks_max",
        Limit(|draft| &mut draft.settings.quota.default, Field::TasksMax),
        "Processes and threads (TasksMax=).",
    ).example("4096"),
    setting(
        "quota.default.io_weight",
        Limit(|draft| &mut draft.settings.quota.default, Field::IoWeight),
        "The share of disks where several users compete for them; 100 is usual (IOWeight=).",
    ).example("100"),
    setting(
        "quota.default.sessions",
        Limit(|draft| &mut draft.settings.quota.default, Field::Sessions),
        "Sessions at the same time.",
    ).example("10"),
    setting(
        "quota.filesystem.path",
        Text(|draft| &mut last_filesystem(draft).path),
        "Where it is mounted. While nothing is mounted there, nothing is set there.",
    ).example("\"/home\""),
    setting(
        "quota.filesystem.kind",
        Text(|draft| &mut last_filesystem(draft).kind),
        "What counts. \"user\": all that a user owns there (mount option usrquota, of XFS uquota). \"project\": all that is in \
         a user's home, whoever owns it (prjquota); the project's number is the uid. For both, write two tables with one path.",
    ),
    setting(
        "quota.filesystem.block_grace",
        Time(|draft| &mut last_filesystem(draft).block_grace, MINUTE..=365 * DAY),
        "How long a user may have more than blocks_soft.",
    ),
    setting(
        "quota.filesystem.inode_grace",
        Time(|draft| &mut last_filesystem(draft).inode_grace, MINUTE..=365 * DAY),
        "How long a user may have more than inodes_soft.",
    ),
    setting(
        "quota.filesystem.blocks_soft",
        Limit(|draft| &mut last_filesystem(draft).limits, Field::BlocksSoft),
        "Instead of the one in [quota.default].",
    ).example("\"100G\""),
    setting(
        "quota.filesystem.blocks_hard",
        Limit(|draft| &mut last_filesystem(draft).limits, Field::BlocksHard),
        "Instead of the one in [quota.default].",
    ).example("\"120G\""),
    setting(
        "quota.filesystem.inodes_soft",
        Limit(|draft| &mut last_filesystem(draft).limits, Field::InodesSoft),
        "Instead of the one in [quota.default].",
    ).example("\"none\""),
    setting(
        "quota.filesystem.inodes_hard",
        Limit(|draft| &mut last_filesystem(draft).limits, Field::InodesHard),
        "Instead of the one in [quota.default].",
    ).example("\"none\""),
];
