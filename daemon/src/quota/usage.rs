//! How near somebody is to a limit, and what is said about it.

use quotactl::Quota;

use super::{Disk, QuotaKind, approximately};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How much of what the kernel allows is used, in thousandths: of data or of files, whichever is nearer to its limit, the hard
/// one where there is one. None: nothing is limited.
pub fn permille_used(quota: &Quota) -> Option<u64> {
    let limits = &quota.limits;
    let of = |used: u64, hard: u64, soft: u64| {
        let limit = if hard > 0 { hard } else { soft };
        let permille = (u128::from(used) * 1000).checked_div(u128::from(limit))?;
        Some(u64::try_from(permille).unwrap_or(u64::MAX))
    };
    let data = of(quota.bytes, limits.hard_kib.saturating_mul(1024), limits.soft_kib.saturating_mul(1024));
    let files = of(quota.inodes, limits.hard_inodes, limits.soft_inodes);
    data.max(files)
}

/// What somebody is told at a login who has more on a filesystem than is allowed for long; one line. `now` is in seconds
/// since 1970.
pub fn warning(disk: &Disk, quota: &Quota, now: i64) -> Option<String> {
    let limits = &quota.limits;
    let place = match disk.kind {
        QuotaKind::User => format!("on {}", disk.path),
        QuotaKind::Project => "in your home".to_owned(),
    };
    let over = |used: u64, soft: u64, hard: u64| (soft > 0 && used > soft) || (hard > 0 && used >= hard);
    let (soft, hard) = (limits.soft_kib.saturating_mul(1024), limits.hard_kib.saturating_mul(1024));
    if over(quota.bytes, soft, hard) {
        let (used, allowed) = (approximately(quota.bytes), approximately(allowed(soft, hard)));
        let rest = time_left(quota.bytes >= hard && hard > 0, quota.bytes_until, now, "written");
        return Some(format!("You have {used} {place}, where you may have {allowed}. {rest}"));
    }
    if over(quota.inodes, limits.soft_inodes, limits.hard_inodes) {
        let (used, allowed) = (quota.inodes, allowed(limits.soft_inodes, limits.hard_inodes));
        let is_full = quota.inodes >= limits.hard_inodes && limits.hard_inodes > 0;
        let rest = time_left(is_full, quota.inodes_until, now, "made");
        return Some(format!("You have {used} files {place}, where you may have {allowed}. {rest}"));
    }
    None
}

fn allowed(soft: u64, hard: u64) -> u64 {
    if soft > 0 { soft } else { hard }
}

fn time_left(is_full: bool, until: Option<u64>, now: i64, what: &str) -> String {
    let left = until.map(|until| until.saturating_sub(now.max(0).unsigned_abs()));
    match left {
        _ if is_full => format!("Nothing more can be {what} there: please remove something."),
        Some(0) => format!(
            "The time for that is over, and nothing more can be {what} there: please remove something."
        ),
        Some(seconds) => {
            format!(
                "Please remove something within {}: then nothing more can be {what} there.",
                length(seconds)
            )
        }
        None => "Please remove something.".into(),
    }
}

/// A length of time in its two largest units at the most.
fn length(seconds: u64) -> String {
    let plural = |number: u64, unit: &str| match number {
        1 => format!("1 {unit}"),
        _ => format!("{number} {unit}s"),
    };
    match seconds {
        0..HOUR => plural((seconds / MINUTE).max(1), "minute"),
        HOUR..DAY => plural(seconds / HOUR, "hour"),
        _ if (seconds % DAY) / HOUR == 0 => plural(seconds / DAY, "day"),
        _ => format!("{} and {}", plural(seconds / DAY, "day"), plural((seconds % DAY) / HOUR, "hour")),
    }
}
