//! The object in a body, taken field by field, so that whoever sends something wrong is told which field it is. What is left
//! at the end is unknown, and refused: a misspelt field would otherwise be a change that silently does not happen.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Code, Problem};

/// How much of an unknown field's name is repeated.
const SHOWN_CHARS: usize = 64;

/// The fields of a body. They may be passwords: there is no `Debug`.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// A text; nothing where there is none, or `null`.
    pub fn text(&mut self, field: &'static str) -> Result<Option<String>, Problem> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(field, "it is a text")),
        }
    }

    /// A text that must be there.
    pub fn needed_text(&mut self, field: &'static str) -> Result<String, Problem> {
        self.text(field)?.ok_or_else(|| wrong(field, "it is missing"))
    }

    /// A text that takes a value away where it is empty or `null`.
    pub fn change(&mut self, field: &'static str) -> Result<Option<String>, Problem> {
        match self.0.get(field) {
            Some(Value::Null) => {
                self.take(field);
                Ok(Some(String::new()))
            }
            _ => self.text(field),
        }
    }

    /// Refuses `null` for these, which can be changed and not be taken away.
    pub fn stay(&self, fields: &[&'static str]) -> Result<(), Problem> {
        match fields.iter().find(|field| self.0.get(**field).is_some_and(Value::is_null)) {
            Some(field) => Err(wrong(*field, "it cannot be null: leave it away to keep what there is")),
            None => Ok(()),
        }
    }

    /// A password or a hash, wiped when dropped.
    pub fn secret(&mut self, field: &'static str) -> Result<Option<Zeroizing<String>>, Problem> {
        Ok(self.text(field)?.map(Zeroizing::new))
    }

    /// An id.
    pub fn id(&mut self, field: &'static str) -> Result<Option<u32>, Problem> {
        let Some(value) = self.take(field) else { return Ok(None) };
        // JSON has one kind of number, and some programs write 7 as 7.0.
        let whole = |number: f64| (number.fract() == 0.0 && number >= 0.0).then_some(number as u64);
        let id = value.as_u64().or_else(|| value.as_f64().and_then(whole));
        let id = id.and_then(|id| u32::try_from(id).ok());
        id.map(Some).ok_or_else(|| wrong(field, "it is a whole number from 0 to 4294967295"))
    }

    /// Whether something is so.
    pub fn flag(&mut self, field: &'static str) -> Result<Option<bool>, Problem> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong(field, "it is true or false")),
        }
    }

    /// Some texts.
    pub fn texts(&mut self, field: &'static str) -> Result<Vec<String>, Problem> {
        let not_texts = || wrong(field, "it is a list of texts");
        let text = |value| match value {
            Value::String(text) => Ok(text),
            _ => Err(not_texts()),
        };
        match self.take(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.into_iter().map(text).collect(),
            Some(_) => Err(not_texts()),
        }
    }

    /// Whether nothing is left to be taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses what nobody has taken.
    pub fn end(self) -> Result<(), Problem> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((field, _)) => {
                let field: String = field.chars().take(SHOWN_CHARS).collect();
                Err(wrong(field, "there is no such field; /v1/openapi.json lists what there is"))
            }
        }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field).filter(|value| !value.is_null())
    }
}

fn wrong(field: impl Into<Cow<'static, str>>, why: &str) -> Problem {
    Problem::new(Code::InvalidInput, why).about(field)
}

/// An object in which each field stands once: of two of the same name, every program takes the one it likes.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Each)
    }
}

struct Each;

impl<'de> Visitor<'de> for Each {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
        let mut fields = Map::new();
        while let Some((field, value)) = entries.next_entry::<String, Value>()? {
            if fields.contains_key(&field) {
                return Err(A::Error::custom("a field stands there twice"));
            }
            fields.insert(field, value);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_field_is_what_it_must_be_or_named() {
        let mut body = fields(
            r#"{"a":1,"b":true,"c":["x"],"d":"text","e":null,"f":4294967296,"g":[1],"h":1.5,"i":7.0}"#,
        );
        assert_eq!(body.id("a").unwrap(), Some(1));
        assert_eq!(body.flag("b").unwrap(), Some(true));
        assert_eq!(body.texts("c").unwrap(), ["x"]);
        assert_eq!(body.change("d").unwrap().as_deref(), Some("text"));
        assert_eq!(body.change("e").unwrap().as_deref(), Some(""), "taken away");
        assert_eq!(body.change("e").unwrap(), None);
        assert_eq!(body.id("i").unwrap(), Some(7));
        assert!(body.id("f").is_err() && body.texts("g").is_err() && body.id("h").is_err());
        assert!(body.needed_text("j").is_err());
        assert!(body.is_empty() && body.end().is_ok());
        let mut wrong = fields(r#"{"a":"1","b":"true","c":"x","d":1}"#);
        assert!(wrong.id("a").is_err() && wrong.flag("b").is_err());
        assert!(wrong.texts("c").is_err() && wrong.text("d").is_err());
    }

    #[test]
    fn what_is_not_one_object_of_different_fields_is_refused() {
        for text in [r#"{"a":1,"a":1}"#, "[]", "null", "1", r#""a""#] {
            assert!(serde_json::from_str::<Fields>(text).is_err(), "{text}");
        }
        assert!(fields(r#"{"a":1}"#).end().is_err());
    }
}
