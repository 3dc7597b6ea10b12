//! SQLite's values, and how they travel: integers as decimal text, because JSON readers round large numbers, and bytes
//! in base64.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Servers leave the padding out; the RFC has it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A value of SQLite.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL
    Null,
    /// INTEGER
    Integer(i64),
    /// REAL; neither infinite nor NaN, which JSON does not have.
    Real(f64),
    /// TEXT
    Text(String),
    /// BLOB
    Blob(Vec<u8>),
}

/// What a statement gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; each has a value for each column.
    pub rows: Vec<Vec<Value>>,
    /// How many rows an INSERT, UPDATE or DELETE changed. For other statements it means nothing, and some servers
    /// always say 0.
    pub affected: u64,
}

/// A value as it travels.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Wire<'a> {
    Null,
    Integer { value: Cow<'a, str> },
    Float { value: f64 },
    Text { value: Cow<'a, str> },
    Blob { base64: Cow<'a, str> },
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match self {
            Self::Null => Wire::Null,
            Self::Integer(number) => Wire::Integer { value: number.to_string().into() },
            Self::Real(value) => Wire::Float { value: *value },
            Self::Text(text) => Wire::Text { value: text.into() },
            Self::Blob(bytes) => Wire::Blob { base64: BASE64.encode(bytes).into() },
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Null => Self::Null,
            Wire::Integer { value } => Self::Integer(
                value.parse().map_err(|_| de::Error::custom("an integer of more than 64 bits"))?,
            ),
            Wire::Float { value } => Self::Real(value),
            Wire::Text { value } => Self::Text(value.into_owned()),
            Wire::Blob { base64 } => {
                Self::Blob(BASE64.decode(base64.as_bytes()).map_err(|_| de::Error::custom("a broken blob"))?)
            }
        })
    }
}
