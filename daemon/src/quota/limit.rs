//! A limit: how it is written, and how it is shown.

use super::{Field, Unit};

/// How much of something is allowed. The order is that of generosity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// So much, in bytes, things or percent.
    At(u64),
    /// As much as there is.
    Unlimited,
}

/// The letters behind a number, each for a power more.
const LETTERS: &str = "kmgtp";

const NONE: &str = "none";

impl Limit {
    /// Reads what somebody wrote for a field.
    pub fn parse(field: Field, text: &str) -> Result<Self, String> {
        let unit = field.unit();
        if text == NONE && unit != Unit::Weight {
            return Ok(Self::Unlimited);
        }
        let number = match unit {
            Unit::Bytes => bytes(text)?,
            Unit::Count => count(text)?,
            Unit::Percent => percent(text)?,
            Unit::Weight => weight(text)?,
        };
        let (least, most) = (Self::At(field.least()), Self::At(field.most()));
        let limit = Self::At(number);
        if least <= limit && limit <= most {
            return Ok(limit);
        }
        Err(format!("must be from {} to {}", least.show(field), most.show(field)))
    }

    /// How it is written, to the last KiB.
    pub fn show(self, field: Field) -> String {
        let Self::At(number) = self else { return NONE.into() };
        match field.unit() {
            Unit::Bytes => exact_bytes(number),
            Unit::Count | Unit::Weight => number.to_string(),
            Unit::Percent => format!("{number}%"),
        }
    }

    /// The number, where there is one.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::At(number) => Some(number),
            Self::Unlimited => None,
        }
    }
}

/// `20G`, `1.5TiB`: by the powers of 1024, as setquota(8) and systemd have it, and in whole KiB.
fn bytes(text: &str) -> Result<u64, String> {
    let must = || format!("{text:?} is no size: write it as 20G, 1.5TiB or {NONE}");
    let lower = text.to_ascii_lowercase();
    let (number, letter) = match lower.strip_suffix("ib") {
        Some(rest) => split_letter(rest).ok_or_else(must)?,
        // Of what would still be a size without it.
        None if lower.strip_suffix('b').is_some_and(|rest| split_letter(rest).is_some()) => {
            return Err(format!(
                "{text:?} counts by 1000 to some and by 1024 to others: write {}, which counts by 1024",
                &text[..text.len() - 1]
            ));
        }
        None => split_letter(&lower).ok_or_else(must)?,
    };
    let factor = 1_u64 << (10 * (letter + 1));
    let bytes = scaled(number, factor).ok_or_else(must)?;
    Ok(bytes.checked_next_multiple_of(1024).unwrap_or(u64::MAX))
}

/// `200000`, `200k`, `1.5M`: by the powers of 1000.
fn count(text: &str) -> Result<u64, String> {
    let must = || format!("{text:?} is no number: write it as 100, 200k or {NONE}");
    let lower = text.to_ascii_lowercase();
    match split_letter(&lower) {
        Some((number, letter)) => {
            let factor = 1000_u64.checked_pow(letter + 1).ok_or_else(must)?;
            scaled(number, factor).ok_or_else(must)
        }
        None => scaled(&lower, 1).ok_or_else(must),
    }
}

fn percent(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('%').and_then(|number| scaled(number, 1));
    number.ok_or_else(|| format!("{text:?} is no share of processors: write it as 150%, or {NONE}"))
}

fn weight(text: &str) -> Result<u64, String> {
    let most = Field::IoWeight.most();
    scaled(text, 1)
        .ok_or_else(|| format!("{text:?} is no weight: write a number from 1 to {most}; 100 is usual"))
}

/// The number, and which power its letter stands for, less one.
fn split_letter(text: &str) -> Option<(&str, u32)> {
    let last = text.chars().last()?;
    let letter = u32::try_from(LETTERS.find(last)?).ok()?;
    Some((&text[..text.len() - last.len_utf8()], letter))
}

/// A decimal number, with three digits behind its point at the most, times a factor.
fn scaled(text: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str| -> Option<u64> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What is far too much is a number all the same.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let whole = digits(whole)?.saturating_mul(factor);
    let Some(fraction) = fraction else { return Some(whole) };
    let scale = match fraction.len() {
        1 => 10,
        2 => 100,
        3 => 1000,
        _ => return None,
    };
    if factor == 1 {
        return None;
    }
    Some(whole.saturating_add(digits(fraction)?.checked_mul(factor)? / scale))
}

/// In the largest unit of which it is a whole number.
fn exact_bytes(bytes: u64) -> String {
    let powers = (1..=LETTERS.len()).rev();
    let fitting = powers
        .map(|power| (power, 1_u64 << (10 * power)))
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match fitting {
        Some((power, unit)) => format!("{}{}", bytes / unit, letter(power)),
        None => format!("{}K", bytes.div_ceil(1024)),
    }
}

/// A size for people: three digits or so, rounded.
pub fn approximately(bytes: u64) -> String {
    let power = (1..=LETTERS.len()).rev().find(|power| bytes >= 1 << (10 * power));
    let Some(power) = power else { return format!("{bytes} bytes") };
    let tenths = u128::from(bytes) * 10 / (1_u128 << (10 * power));
    match tenths {
        0..1000 => format!("{}.{}{}", tenths / 10, tenths % 10, letter(power)),
        _ => format!("{}{}", tenths / 10, letter(power)),
    }
}

fn letter(power: usize) -> char {
    char::from(LETTERS.as_bytes()[power - 1]).to_ascii_uppercase()
}
