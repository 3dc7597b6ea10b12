//! What goes into a statement and what comes out of it: integers and texts, nothing else. Whatever is stored is one of
//! the two on every database; a flag is 0 or 1.
//!
//! A cell that does not parse was not written by us: that is [`Error::Failed`], never a user who half exists.

use std::str::FromStr;

use crate::directory::{Error, Result};

/// A value and, so that a database knows what kind of NULL it is given, its type. It has no `Debug`: it may be a hash.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer or NULL.
    Integer(Option<i64>),
    /// A text or NULL.
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

/// Revisions never come near the limit of 2⁶³.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        i64::try_from(number).unwrap_or(i64::MAX).into()
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        i64::from(flag).into()
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

/// The arguments of a statement, `$1` first.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::value::Value::from($value)),*] };
}

pub(super) use values;

/// What a statement returned.
#[derive(Default)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Each row.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }

    /// The first row, if there is one.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }

    /// The only row of a statement that always has one.
    pub fn one(&self) -> Result<Row<'_>> {
        self.first().ok_or_else(|| Error::Failed("the database returned no row".into()))
    }
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Value],
}

impl<'a> Row<'a> {
    fn cell(self, name: &str) -> Result<&'a Value> {
        let position = self.columns.iter().position(|column| column == name);
        position
            .and_then(|position| self.cells.get(position))
            .ok_or_else(|| Error::Failed(format!("the database returned no column {name}")))
    }

    /// A text or NULL.
    pub fn optional_text(self, name: &str) -> Result<Option<&'a str>> {
        match self.cell(name)? {
            Value::Text(text) => Ok(text.as_deref()),
            Value::Integer(None) => Ok(None),
            Value::Integer(Some(number)) => Err(broken(name, number)),
        }
    }

    /// A text.
    pub fn text(self, name: &str) -> Result<&'a str> {
        self.optional_text(name)?.ok_or_else(|| broken(name, "NULL"))
    }

    /// An integer or NULL.
    pub fn optional_integer(self, name: &str) -> Result<Option<i64>> {
        match self.cell(name)? {
            Value::Integer(number) => Ok(*number),
            Value::Text(None) => Ok(None),
            Value::Text(Some(text)) => Err(broken(name, text)),
        }
    }

    /// An integer.
    pub fn integer(self, name: &str) -> Result<i64> {
        self.optional_integer(name)?.ok_or_else(|| broken(name, "NULL"))
    }

    /// An integer that is no less than 0.
    pub fn unsigned(self, name: &str) -> Result<u64> {
        let number = self.integer(name)?;
        u64::try_from(number).map_err(|_| broken(name, number))
    }

    /// A uid or gid.
    pub fn id(self, name: &str) -> Result<u32> {
        let number = self.integer(name)?;
        u32::try_from(number).map_err(|_| broken(name, number))
    }

    /// 0 or 1.
    pub fn flag(self, name: &str) -> Result<bool> {
        Ok(self.integer(name)? != 0)
    }

    /// A text that must parse.
    pub fn parsed<T: FromStr>(self, name: &str) -> Result<T>
    where
        T::Err: std::fmt::Display,
    {
        parse(name, self.text(name)?)
    }
}

/// Parses what the store holds in a column.
pub fn parse<T: FromStr>(name: &str, text: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Error::Failed(format!("the store holds a broken {name} {text:?}: {error}")))
}

fn broken(name: &str, value: impl std::fmt::Display) -> Error {
    Error::Failed(format!("the store holds a broken {name}: {value}"))
}
