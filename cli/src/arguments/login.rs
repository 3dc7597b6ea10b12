//! The commands about one-time codes, as part of the command line.

use clap::Args;

/// `login`.
#[derive(Debug, Args)]
pub struct Login {
    /// Open no browser: print the page's address alone
    #[arg(long, conflicts_with = "code")]
    pub no_browser: bool,
    /// Exchange the ID token on standard input, which the provider has issued within the last ten minutes
    #[arg(long)]
    pub code: bool,
    /// Get no code: end the re-login codes that were given on this node, one's own or --user's
    #[arg(long, conflicts_with_all = ["code", "no_browser"])]
    pub forget: bool,
    /// Log in as this user instead of the one whom the provider names
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// `break-glass`.
#[derive(Debug, Args)]
pub struct BreakGlass {
    /// The login name
    pub name: String,
    /// How long the code is good: 60s to 60m
    #[arg(long = "for", value_name = "TIME", value_parser = seconds, default_value = "15m")]
    pub seconds: u64,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Reads a time as the configuration writes it; podyd says how long it may be.
fn seconds(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => 0,
    };
    let number = digits.parse::<u64>().ok().filter(|_| seconds > 0);
    let time = number.and_then(|number| number.checked_mul(seconds));
    time.ok_or_else(|| "a number with s, m or h behind it is wanted: 15m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_its_unit() {
        let times = ["90s", "15m", "1h", "0m"].map(|text| seconds(text).unwrap());
        assert_eq!(times, [90, 900, 3600, 0]);
        for wrong in [
            "",
            "15",
            "m",
            "-1m",
            "1d",
            "1 m",
            "15min",
            "1h30m",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
