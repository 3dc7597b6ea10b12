//! One setting's value: how each kind of it is read, which values are valid, and how it is written.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::draft::Draft;
use super::secret::Secret;
use crate::quota::{Field, Limit, Limits};

/// What a setting holds, and the field that it goes to.
pub(super) enum Kind {
    /// A whole number.
    Number(fn(&mut Draft) -> &mut u32, RangeInclusive<u32>),
    /// A whole number that has no default.
    OptionalNumber(fn(&mut Draft) -> &mut Option<u32>, RangeInclusive<u32>),
    /// A length of time, such as `"15m"`; the range is in seconds.
    Time(fn(&mut Draft) -> &mut Duration, RangeInclusive<u64>),
    /// `true` or `false`.
    Flag(fn(&mut Draft) -> &mut bool),
    /// A text that its type checks.
    Text(fn(&mut Draft) -> &mut dyn Text),
    /// Texts, each of which its type checks.
    List(fn(&mut Draft) -> &mut dyn List),
    /// A path that has no default.
    OptionalPath(fn(&mut Draft) -> &mut Option<PathBuf>),
    /// A limit of a quota, such as `"20G"`, and of what.
    Limit(fn(&mut Draft) -> &mut Limits, Field),
    /// A text that is never shown, and the check of it, whose error does not quote it.
    Secret(fn(&mut Draft, Secret), fn(&str) -> Result<(), String>),
}

/// A value as somebody gave it.
pub(super) enum Given {
    /// A TOML integer; `None` if no `u32` holds it.
    Integer(Option<u32>),
    /// A TOML boolean.
    Flag(bool),
    /// A TOML string, its references replaced.
    Text(String),
    /// A TOML array of strings, their references replaced.
    List(Vec<String>),
    /// An environment variable, which may stand for any type.
    Variable(String),
    /// Another TOML type, by its name.
    Other(&'static str),
}

/// A field that is read from text and written as text.
pub(super) trait Text {
    fn read(&mut self, text: &str) -> Result<(), String>;
    fn show(&self) -> String;
}

impl<T: FromStr<Err: Display> + Display> Text for T {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|why: T::Err| why.to_string())?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A field that is a list of texts.
pub(super) trait List {
    fn read(&mut self, texts: &[String]) -> Result<(), String>;
    fn show(&self) -> Vec<String>;
}

impl<T: FromStr<Err: Display> + Display> List for Vec<T> {
    fn read(&mut self, texts: &[String]) -> Result<(), String> {
        let read = |(index, text): (usize, &String)| {
            text.parse().map_err(|why: T::Err| format!("entry {} {why}", index + 1))
        };
        *self = texts.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn show(&self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

impl Kind {
    /// Reads a value into its field. The error is a sentence about the setting.
    pub(super) fn read(&self, draft: &mut Draft, given: Given) -> Result<(), String> {
        match self {
            Self::Number(field, range) => *field(draft) = number(given, range)?,
            Self::OptionalNumber(field, range) => *field(draft) = Some(number(given, range)?),
            Self::Time(field, range) => *field(draft) = time(given, range)?,
            Self::Flag(field) => *field(draft) = flag(given)?,
            Self::Text(field) => field(draft).read(&text(given)?)?,
            Self::List(field) => field(draft).read(&list(given)?)?,
            Self::OptionalPath(field) => *field(draft) = Some(path(given)?),
            Self::Limit(limits, field) => limits(draft).set(*field, Some(limit(given, *field)?)),
            Self::Secret(set, check) => {
                let secret = Secret::from(text(given)?);
                check(secret.expose())?;
                set(draft, secret);
            }
        }
        Ok(())
    }

    /// The field's value as TOML; `None` if it has none, or one that is not to be shown.
    pub(super) fn show(&self, draft: &mut Draft) -> Option<String> {
        Some(match self {
            Self::Number(field, _) => field(draft).to_string(),
            Self::OptionalNumber(field, _) => (*field(draft))?.to_string(),
            Self::Time(field, _) => format!("\"{}\"", show_time(field(draft).as_secs())),
            Self::Flag(field) => field(draft).to_string(),
            Self::Text(field) => {
                let text = field(draft).show();
                (!text.is_empty()).then(|| toml::Value::String(text).to_string())?
            }
            Self::List(field) => {
                let texts = field(draft).show().into_iter().map(toml::Value::String);
                toml::Value::Array(texts.collect()).to_string()
            }
            Self::OptionalPath(field) => {
                toml::Value::String(field(draft).as_ref()?.to_string_lossy().into_owned()).to_string()
            }
            Self::Limit(limits, field) => {
                toml::Value::String(limits(draft).get(*field)?.show(*field)).to_string()
            }
            Self::Secret(..) => return None,
        })
    }
}

/// What has no unit may be written without quotes.
fn limit(given: Given, field: Field) -> Result<Limit, String> {
    match given {
        Given::Integer(Some(number)) => Limit::parse(field, &number.to_string()),
        given => Limit::parse(field, &text(given)?),
    }
}

fn number(given: Given, range: &RangeInclusive<u32>) -> Result<u32, String> {
    let must = format!("must be a whole number from {} to {}", range.start(), range.end());
    let number = match given {
        Given::Integer(number) => number,
        Given::Variable(text) => text.parse().ok(),
        Given::Text(_) => return Err(format!("{must}, without quotes")),
        Given::Flag(_) => return Err(format!("{must}; this is of type boolean")),
        Given::List(_) => return Err(format!("{must}; this is of type array")),
        Given::Other(kind) => return Err(format!("{must}; this is of type {kind}")),
    };
    number.filter(|number| range.contains(number)).ok_or(must)
}

fn flag(given: Given) -> Result<bool, String> {
    let must = "must be true or false";
    match given {
        Given::Flag(flag) => Ok(flag),
        Given::Variable(text) => text.parse().map_err(|_| must.to_owned()),
        Given::Text(_) => Err(format!("{must}, without quotes")),
        Given::Integer(_) => Err(format!("{must}; this is a number")),
        Given::List(_) => Err(format!("{must}; this is of type array")),
        Given::Other(kind) => Err(format!("{must}; this is of type {kind}")),
    }
}

/// A relative path lies in the state directory, where podyd may write.
fn path(given: Given) -> Result<PathBuf, String> {
    let text = text(given)?;
    if text.is_empty() || text.ends_with('/') || text.contains(char::is_control) {
        return Err("must be the path of a file, absolute or inside the state directory".into());
    }
    Ok(text.into())
}

pub(super) fn text(given: Given) -> Result<String, String> {
    match given {
        Given::Text(text) | Given::Variable(text) => Ok(text),
        Given::Integer(_) => Err("must be text in quotes; this is a number".into()),
        Given::Flag(_) => Err("must be text in quotes; this is of type boolean".into()),
        Given::List(_) => Err("must be text in quotes; this is of type array".into()),
        Given::Other(kind) => Err(format!("must be text in quotes; this is of type {kind}")),
    }
}

/// An empty variable is no text at all, and not an empty one.
fn list(given: Given) -> Result<Vec<String>, String> {
    match given {
        Given::List(texts) => Ok(texts),
        Given::Variable(text) => {
            Ok(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect())
        }
        _ => Err("must be a list of texts in quotes, such as [\"one\", \"two\"]".into()),
    }
}

const UNITS: [(char, u64); 4] = [('d', 24 * 60 * 60), ('h', 60 * 60), ('m', 60), ('s', 1)];

fn time(given: Given, range: &RangeInclusive<u64>) -> Result<Duration, String> {
    let seconds = parse_time(&text(given)?).filter(|seconds| range.contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let (least, most) = (show_time(*range.start()), show_time(*range.end()));
        format!(
            "must be a length of time such as \"30s\", \"15m\", \"12h\" or \"7d\", from {least} to {most}"
        )
    })
}

/// `off` stands for no time at all.
fn parse_time(text: &str) -> Option<u64> {
    if text == "off" {
        return Some(0);
    }
    let (_, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = &text[..text.len() - 1];
    // `parse` alone would take a sign, too.
    let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    number.checked_mul(*factor)
}

fn show_time(seconds: u64) -> String {
    let whole = UNITS.iter().find(|(_, factor)| seconds.is_multiple_of(*factor) && seconds > 0);
    let (unit, factor) = whole.unwrap_or(&('s', 1));
    format!("{}{unit}", seconds / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_one_number_and_one_unit() {
        for (text, seconds) in
            [("1s", 1), ("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("0s", 0), ("off", 0)]
        {
            assert_eq!(parse_time(text), Some(seconds), "{text}");
        }
        for bad in
            ["", "s", "5", "-1s", "+1s", "1.5h", "1 s", "1h30m", "1w", "1S", "9999999999999999999d", "1ä"]
        {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_length_of_time_is_shown_in_its_largest_whole_unit() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (86_400, "1d"), (90_000, "25h")]
        {
            assert_eq!(show_time(seconds), text);
            assert_eq!(parse_time(text), Some(seconds));
        }
    }
}
