//! What can be limited, and what each is counted in.

use std::fmt;
use std::str::FromStr;

/// Something that a policy can speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Data on a filesystem, beyond which time runs.
    BlocksSoft,
    /// Data on a filesystem, beyond which nothing more is written.
    BlocksHard,
    /// Files and directories on a filesystem, beyond which time runs.
    InodesSoft,
    /// Files and directories on a filesystem, beyond which nothing more is made.
    InodesHard,
    /// Memory of all processes together, beyond which some are killed.
    MemoryMax,
    /// Memory beyond which they are slowed down.
    MemoryHigh,
    /// Time of processors: 100 % is one of them.
    CpuQuota,
    /// Processes and threads.
    TasksMax,
    /// The share of disks where several compete for them.
    IoWeight,
    /// Sessions at the same time.
    Sessions,
}

/// What a field is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, by the powers of 1024.
    Bytes,
    /// Things, by the powers of 1000.
    Count,
    /// Percent of one processor.
    Percent,
    /// 1 to 10 000, and nothing is none.
    Weight,
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every field, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::BlocksSoft,
        Self::BlocksHard,
        Self::InodesSoft,
        Self::InodesHard,
        Self::MemoryMax,
        Self::MemoryHigh,
        Self::CpuQuota,
        Self::TasksMax,
        Self::IoWeight,
        Self::Sessions,
    ];

    /// Where a lower limit and the one above it belong together.
    pub const PAIRS: [(Self, Self); 3] = [
        (Self::BlocksSoft, Self::BlocksHard),
        (Self::InodesSoft, Self::InodesHard),
        (Self::MemoryHigh, Self::MemoryMax),
    ];

    /// Its name in configuration, store, commands and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlocksSoft => "blocks_soft",
            Self::BlocksHard => "blocks_hard",
            Self::InodesSoft => "inodes_soft",
            Self::InodesHard => "inodes_hard",
            Self::MemoryMax => "memory_max",
            Self::MemoryHigh => "memory_high",
            Self::CpuQuota => "cpu_quota",
            Self::TasksMax => "tasks_max",
            Self::IoWeight => "io_weight",
            Self::Sessions => "sessions",
        }
    }

    /// What it is counted in.
    pub const fn unit(self) -> Unit {
        match self {
            Self::BlocksSoft | Self::BlocksHard | Self::MemoryMax | Self::MemoryHigh => Unit::Bytes,
            Self::InodesSoft | Self::InodesHard | Self::TasksMax | Self::Sessions => Unit::Count,
            Self::CpuQuota => Unit::Percent,
            Self::IoWeight => Unit::Weight,
        }
    }

    /// Whether it is about one filesystem, and there may be others.
    pub const fn is_of_filesystem(self) -> bool {
        matches!(self, Self::BlocksSoft | Self::BlocksHard | Self::InodesSoft | Self::InodesHard)
    }

    /// The least that it can be limited to: to the kernel, 0 is no limit, and with less than these nobody can log in to
    /// change anything about it. Nobody has to be let have a session.
    pub const fn least(self) -> u64 {
        match self {
            Self::BlocksSoft | Self::BlocksHard => 1024,
            Self::InodesSoft | Self::InodesHard | Self::CpuQuota | Self::IoWeight => 1,
            Self::MemoryMax | Self::MemoryHigh => 16 * 1024 * 1024,
            Self::TasksMax => 8,
            Self::Sessions => 0,
        }
    }

    /// The most that it can be limited to: more is a mistake in writing, and the kernel or systemd would refuse it.
    pub const fn most(self) -> u64 {
        match self {
            // The kernel's own numbers reach as far.
            Self::BlocksSoft | Self::BlocksHard => 1 << 60,
            // No filesystem has more files.
            Self::InodesSoft | Self::InodesHard | Self::Sessions => 1 << 32,
            // No machine has more memory.
            Self::MemoryMax | Self::MemoryHigh => 1 << 50,
            // PID_MAX_LIMIT of the kernel.
            Self::TasksMax => 1 << 22,
            // 1 000 processors.
            Self::CpuQuota => 100_000,
            // CGROUP_WEIGHT_MAX of systemd.
            Self::IoWeight => 10_000,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // On a command line, either is natural.
        let name = text.replace('-', "_");
        Self::ALL.into_iter().find(|field| field.as_str() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|field| field.as_str()).collect();
            format!("{text:?} cannot be limited; what can is: {}", names.join(", "))
        })
    }
}
