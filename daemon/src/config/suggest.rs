//! "Did you mean": the known key that a misspelt one is nearest to.

use super::environment::snake_case;
use super::table::{SECTIONS, settings};

/// Nobody misspells a key of this many characters; the distance of longer ones would take long to find.
const MAX_KEY_CHARACTERS: usize = 64;

/// Characters that may be wrong in a key that is still recognised.
const MAX_DISTANCE: usize = 2;

/// The setting or section that was probably meant: spelt nearly so, or the only one of that name in
/// another section.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    if key.chars().count() > MAX_KEY_CHARACTERS {
        return None;
    }
    let known = || settings().map(|setting| setting.key).chain(SECTIONS.iter().map(|section| section.key));
    let to = |known| distance(key, known).min(distance(key, &snake_case(known)));
    let similar = known().map(|known| (to(known), known)).min()?;
    if similar.0 <= MAX_DISTANCE {
        return Some(similar.1);
    }
    let mut namesakes = known().filter(|known| last_part(known) == last_part(key));
    namesakes.next().filter(|_| namesakes.next().is_none())
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// How many characters must be inserted, removed, replaced or exchanged with their neighbours
/// (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut costs = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            costs[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let replaced = costs[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
                    replaced.min(costs[i - 1][j] + 1).min(costs[i][j - 1] + 1)
                }
            };
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                costs[i][j] = costs[i][j].min(costs[i - 2][j - 2] + 1);
            }
        }
    }
    costs[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_slips_of_the_hand() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("kitten", "sitting", 3),
            ("äb", "ab", 1),
            ("mni", "min", 1),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn near_misses_are_recognised_and_others_are_not() {
        assert_eq!(nearest("ids.mni"), Some("ids.min"));
        assert_eq!(nearest("password.minLength"), Some("password.min_length"));
        assert_eq!(nearest("user"), Some("users"));
        assert_eq!(nearest("auth.user_failures"), Some("auth.lockout.user_failures"));
        assert_eq!(nearest("backend.mysql.max_conections"), Some("backend.mysql.maxConnections"));
        assert_eq!(nearest("database.url"), None, "there are several");
        assert_eq!(nearest("database"), None);
        assert_eq!(nearest(&"x".repeat(1_000_000)), None);
    }
}
