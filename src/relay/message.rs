//! What a publish asks for: topic and payload to a borrowed [`Request`], without copying a string or building a tree.

use core::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::nests_within_bound;
use crate::limits::{ID_JSON_BYTES, NESTING};

/// Topic of JSON messages.
pub const JSON_TOPIC: &str = "kinesisfirehose/message";
/// Topic of binary messages; what follows it and a slash is the id.
pub const BINARY_TOPIC: &str = "kinesisfirehose/message/binary";
/// Topic of statuses.
pub const STATUS_TOPIC: &str = "kinesisfirehose/message/status";

/// What kind of message a topic carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic<'a> {
    /// JSON.
    Json,
    /// Binary, with its id; empty: none.
    Binary(&'a str),
}

impl<'a> Topic<'a> {
    /// Reads a topic; `None`: not one of ours.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        if topic == JSON_TOPIC {
            return Some(Self::Json);
        }
        match topic.strip_prefix(BINARY_TOPIC)? {
            "" => Some(Self::Binary("")),
            rest => rest.strip_prefix('/').map(Self::Binary),
        }
    }
}

/// The JSON message, as text that stands in the payload: each string with its quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// `request.data`
    pub data: &'a str,
    /// `request.delivery_stream_arn`
    pub delivery_stream_arn: Option<&'a str>,
}

/// What is wrong with a JSON message; `Display` is the sentence for the status.
#[derive(Debug)]
pub enum Invalid {
    /// Not JSON at all, with what serde_json says of it.
    Syntax(serde_json::Error),
    /// More than [`NESTING`] levels.
    TooDeep,
    /// Not an object at the top.
    NotAnObject(&'static str),
    /// A property that must be there is not.
    Missing(&'static str),
    /// A property has another type than the one that is right.
    Type {
        /// Name of the property.
        property: &'static str,
        /// Type that is right.
        expected: &'static str,
        /// Type that it has.
        found: &'static str,
    },
    /// The id is longer than [`ID_JSON_BYTES`].
    IdTooLong(usize),
    /// A string has half of a surrogate pair.
    Surrogate(&'static str),
    /// A topic that is not UTF-8.
    Topic,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "the message is not valid JSON: {error}"),
            Self::TooDeep => write!(f, "the message nests arrays or objects more than {NESTING} levels deep"),
            Self::NotAnObject(found) => write!(f, "the message must be a JSON object, it is {found}"),
            Self::Missing(property) => write!(f, "the property {property} is missing"),
            Self::Type { property, expected, found } => {
                write!(f, "the property {property} must be {expected}, it is {found}")
            }
            Self::IdTooLong(length) => {
                write!(f, "the id is {length} bytes of JSON, at most {ID_JSON_BYTES} can be answered")
            }
            Self::Surrogate(property) => write!(
                f,
                "the property {property} has half of a surrogate pair (\\ud800 to \\udfff), which is no character"
            ),
            Self::Topic => f.write_str("the topic is not UTF-8"),
        }
    }
}

/// Reads a JSON message. The id comes back on its own, because it is wanted in the status whether or
/// not the rest is right: as JSON text, empty when there is none.
pub fn parse(payload: &[u8]) -> (&str, Result<Request<'_>, Invalid>) {
    if !nests_within_bound(payload) {
        return ("", Err(Invalid::TooDeep));
    }
    let mut message = Message::default();
    let mut json = serde_json::Deserializer::from_slice(payload);
    let read = Fill(&mut message).deserialize(&mut json).and_then(|()| json.end());
    let id = match message.id.map(|id| string("id", id)).transpose() {
        Ok(id) => id.unwrap_or_default(),
        Err(error) => return ("", read.map_err(Invalid::Syntax).and(Err(error))),
    };
    if id.len() > ID_JSON_BYTES {
        return ("", Err(Invalid::IdTooLong(id.len())));
    }
    (id, read.map_err(Invalid::Syntax).and_then(|()| message.request()))
}

/// The members of the top object that matter, as far as they were read.
#[derive(Default)]
struct Message<'a> {
    id: Option<&'a str>,
    request: Option<Inner<'a>>,
    other: Option<&'static str>,
}

/// The members of `request`.
#[derive(Default)]
struct Inner<'a> {
    data: Option<&'a str>,
    delivery_stream_arn: Option<&'a str>,
    other: Option<&'static str>,
}

impl<'a> Message<'a> {
    fn request(self) -> Result<Request<'a>, Invalid> {
        if let Some(found) = self.other {
            return Err(Invalid::NotAnObject(found));
        }
        let inner = self.request.ok_or(Invalid::Missing("request"))?;
        if let Some(found) = inner.other {
            return Err(Invalid::Type { property: "request", expected: "an object", found });
        }
        let arn = inner.delivery_stream_arn.map(|arn| string("request.delivery_stream_arn", arn));
        Ok(Request {
            data: string("request.data", inner.data.ok_or(Invalid::Missing("request.data"))?)?,
            delivery_stream_arn: arn.transpose()?,
        })
    }
}

/// `value` if it is the text of a string.
fn string<'a>(property: &'static str, value: &'a str) -> Result<&'a str, Invalid> {
    let found = match value.as_bytes().first() {
        Some(b'"') => return Ok(value),
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    Err(Invalid::Type { property, expected: "a string", found })
}

/// Takes what is wanted from an object, or notes that it is none. A member that stands twice counts
/// as its last, as in Python's json.
trait Members<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error>;
    fn other(&mut self, found: &'static str);
}

impl<'a> Members<'a> for Message<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Id => self.id = optional(map.next_value()?),
            Key::Request => map.next_value_seed(Fill(self.request.insert(Inner::default())))?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn other(&mut self, found: &'static str) {
        self.other = Some(found);
    }
}

impl<'a> Members<'a> for Inner<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: Key, map: &mut A) -> Result<(), A::Error> {
        match key {
            Key::Data => self.data = Some(map.next_value::<&RawValue>()?.get()),
            Key::DeliveryStreamArn => self.delivery_stream_arn = optional(map.next_value()?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn other(&mut self, found: &'static str) {
        self.other = Some(found);
    }
}

/// An optional property that is null counts as absent: some serialisers write all members.
fn optional(value: &RawValue) -> Option<&str> {
    Some(value.get()).filter(|text| *text != "null")
}

enum Key {
    Id,
    Request,
    Data,
    DeliveryStreamArn,
    Unknown,
}

impl<'a> Deserialize<'a> for Key {
    fn deserialize<D: Deserializer<'a>>(json: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
                Ok(match name {
                    "id" => Key::Id,
                    "request" => Key::Request,
                    "data" => Key::Data,
                    "delivery_stream_arn" => Key::DeliveryStreamArn,
                    _ => Key::Unknown,
                })
            }
        }
        json.deserialize_str(KeyVisitor)
    }
}

struct Fill<'m, M>(&'m mut M);

impl<'a, M: Members<'a>> DeserializeSeed<'a> for Fill<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a, M: Members<'a>> Visitor<'a> for Fill<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            self.0.member(key, &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        self.0.other("an array");
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.0.other("a string");
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.0.other("a boolean");
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.other("null");
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.other("a number");
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.other("a number");
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.other("a number");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
