//! Bodies that are objects and nothing else. serde reads structs from a list of the fields' values, too, in an order that
//! nobody has promised: whoever sends that means something else, or will, when there is one field more.

use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Has something read from an object, whatever its reader would take.
pub struct Object<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Reads these from objects alone, and writes them as they are; each derives both with `#[serde(remote = "Self")]`.
macro_rules! objects {
    ($($body:ty),*) => {
        $(
            impl<'de> serde::Deserialize<'de> for $body {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                    Self::deserialize($crate::wire::object::Object(deserializer))
                }
            }

            impl serde::Serialize for $body {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                    Self::serialize(self, serializer)
                }
            }
        )*
    };
}

pub(super) use objects;
