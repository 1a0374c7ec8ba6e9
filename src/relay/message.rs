//! What a publish asks for: topic and payload to a borrowed [`Request`], without copying a string or building a tree.

use core::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{LoneSurrogate, leading_string, nests_within_bound, read_string, unescape};
use crate::limits::{ID_JSON_BYTES, NESTING};

/// Topic of JSON messages.
pub const JSON_TOPIC: &str = "kinesisfirehose/message";
/// Topic of binary messages; what follows it and a slash is the id.
pub const BINARY_TOPIC: &str = "kinesisfirehose/message/binary";
/// Topic of statuses.
pub const STATUS_TOPIC: &str = "kinesisfirehose/message/status";
/// Where the counters are published: nobody who subscribes for the connector's messages gets them.
pub const COUNTERS_TOPIC: &str = "kinesisfirehose/counters";

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
    /// All that `data` says was given while the message was read.
    pub is_data_given: bool,
}

/// Takes what `data` says while a message is read.
pub trait DataSink {
    /// It begins, perhaps not for the first time: what came before does not count.
    fn begin(&mut self);
    /// More of it; false: it is wanted no longer.
    fn piece(&mut self, piece: &[u8]) -> bool;
}

/// Wants nothing.
struct Nobody;

impl DataSink for Nobody {
    fn begin(&mut self) {}
    fn piece(&mut self, _: &[u8]) -> bool {
        false
    }
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
    /// A payload that is not UTF-8 from this byte on.
    Encoding(usize),
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
            Self::Encoding(place) => {
                write!(f, "the message is not UTF-8, as JSON must be: what is wrong begins at byte {}", place + 1)
            }
        }
    }
}

/// Reads a JSON message. The id comes back on its own, because it is wanted in the status whether or
/// not the rest is right: as JSON text, empty when there is none.
///
/// Nothing is copied. serde_json copies each string with escapes that it is asked for, so it is asked for none: member
/// names are compared as they stand, and what is to be an object is looked at first.
pub fn parse(payload: &[u8]) -> (&str, Result<Request<'_>, Invalid>) {
    parse_into(payload, &mut Nobody)
}

/// As [`parse`], and gives what `data` says on the way, if the message is one of the ordinary kind: so each byte of it is looked at
/// once. See [`Request::is_data_given`].
pub fn parse_into<'a>(payload: &'a [u8], sink: &mut dyn DataSink) -> (&'a str, Result<Request<'a>, Invalid>) {
    // serde_json checks the strings that are kept, but what is passed over may be anything to it.
    match str::from_utf8(payload) {
        Ok(text) => parse_text(meant(text), sink),
        Err(error) => {
            let right = payload.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            (parse_text(meant(right), &mut Nobody).0, Err(Invalid::Encoding(error.valid_up_to())))
        }
    }
}

/// What a program meant that puts a byte order mark before its JSON, or sends a C string with the zero that ends it.
fn meant(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text).trim_end_matches('\0')
}

/// Reads the message of nearly everybody in one pass: an object of strings, in which the one named `request` is another such
/// object. `None`: it is not so simple, or not right.
fn ordinary<'a>(text: &'a str, sink: &mut dyn DataSink) -> Option<(&'a str, Request<'a>)> {
    let (mut id, mut data, mut delivery_stream_arn) = ("", None, None);
    let mut in_request = false;
    let mut rest = behind(text, b'{')?;
    loop {
        let name = leading_string(rest)?;
        rest = behind(&rest[name.len()..], b':')?;
        if name == r#""request""# && !in_request {
            (in_request, data, delivery_stream_arn) = (true, None, None);
            rest = behind(rest, b'{')?;
            continue;
        }
        let value = if name == r#""data""# && in_request {
            sink.begin();
            data.insert(read_string(rest, &mut |piece| sink.piece(piece))?).0
        } else {
            leading_string(rest)?
        };
        match (name, in_request) {
            (r#""id""#, false) => id = value,
            (r#""delivery_stream_arn""#, true) => delivery_stream_arn = Some(value),
            // It may be one of these in another spelling.
            _ if memchr::memchr(b'\\', name.as_bytes()).is_some() => return None,
            _ => {}
        }
        rest = after_space(&rest[value.len()..]);
        while !rest.starts_with(',') {
            rest = behind(rest, b'}')?;
            if !in_request {
                let (data, is_data_given) = data?;
                return rest.is_empty().then_some((id, Request { data, delivery_stream_arn, is_data_given }));
            }
            in_request = false;
        }
        rest = after_space(&rest[1..]);
    }
}

/// What stands in `text` behind `byte`, white space before and after it aside.
fn behind(text: &str, byte: u8) -> Option<&str> {
    let text = after_space(text);
    (text.as_bytes().first() == Some(&byte)).then(|| after_space(&text[1..]))
}

fn after_space(text: &str) -> &str {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    &text[text.bytes().take_while(is_space).count()..]
}

fn parse_text<'a>(text: &'a str, sink: &mut dyn DataSink) -> (&'a str, Result<Request<'a>, Invalid>) {
    if let Some((id, request)) = ordinary(text, sink).filter(|(id, _)| id.len() <= ID_JSON_BYTES) {
        return (id, Ok(request));
    }
    parse_any(text)
}

/// As [`parse_text`], for any text.
fn parse_any(text: &str) -> (&str, Result<Request<'_>, Invalid>) {
    if !nests_within_bound(text.as_bytes()) {
        return ("", Err(Invalid::TooDeep));
    }
    let mut message = Message::new(text);
    let mut json = serde_json::Deserializer::from_str(text);
    let top = kind(text);
    let read = match top {
        OBJECT => Fill(&mut message).deserialize(&mut json),
        _ => IgnoredAny::deserialize(&mut json).map(|IgnoredAny| ()),
    };
    let read = read.and_then(|()| json.end());
    let id = match message.id.map(|id| string("id", id)).transpose() {
        Ok(id) => id.unwrap_or_default(),
        Err(error) => return ("", read.map_err(Invalid::Syntax).and(Err(error))),
    };
    if id.len() > ID_JSON_BYTES {
        return ("", Err(Invalid::IdTooLong(id.len())));
    }
    let request = || if top == OBJECT { message.request() } else { Err(Invalid::NotAnObject(top)) };
    (id, read.map_err(Invalid::Syntax).and_then(|()| request()))
}

/// The members of the top object that matter, as far as they were read.
struct Message<'a> {
    text: &'a str,
    id: Option<&'a str>,
    request: Option<Inner<'a>>,
    /// What `request` is, if not an object.
    other: Option<&'static str>,
}

/// The members of `request`.
#[derive(Default)]
struct Inner<'a> {
    data: Option<&'a str>,
    delivery_stream_arn: Option<&'a str>,
}

impl<'a> Message<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, id: None, request: None, other: None }
    }

    fn request(self) -> Result<Request<'a>, Invalid> {
        if let Some(found) = self.other {
            return Err(Invalid::Type { property: "request", expected: "an object", found });
        }
        let inner = self.request.ok_or(Invalid::Missing("request"))?;
        let arn = inner.delivery_stream_arn.map(|arn| string("request.delivery_stream_arn", arn));
        Ok(Request {
            data: string("request.data", inner.data.ok_or(Invalid::Missing("request.data"))?)?,
            delivery_stream_arn: arn.transpose()?,
            is_data_given: false,
        })
    }
}

/// `value` if it is the text of a string.
fn string<'a>(property: &'static str, value: &'a str) -> Result<&'a str, Invalid> {
    match kind(value) {
        STRING => Ok(value),
        found => Err(Invalid::Type { property, expected: "a string", found }),
    }
}

const OBJECT: &str = "an object";
const STRING: &str = "a string";

/// What the value at the start of `text` is, white space and a colon before it aside.
fn kind(text: &str) -> &'static str {
    match text.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b':')) {
        Some(b'"') => STRING,
        Some(b'{') => OBJECT,
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Takes what is wanted from an object. A member that stands twice counts as its last, as in Python's json.
trait Members<'a> {
    /// `name` is JSON text, with its quotes.
    fn member<A: MapAccess<'a>>(&mut self, name: &'a str, map: &mut A) -> Result<(), A::Error>;
}

impl<'a> Members<'a> for Message<'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &'a str, map: &mut A) -> Result<(), A::Error> {
        if is(name, "id") {
            self.id = optional(map.next_value()?);
        } else if is(name, "request") {
            let value = name.as_ptr().addr() + name.len() - self.text.as_ptr().addr();
            let found = kind(&self.text[value..]);
            if found == OBJECT {
                self.other = None;
                return map.next_value_seed(Fill(self.request.insert(Inner::default())));
            }
            self.other = Some(found);
            map.next_value::<IgnoredAny>()?;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl<'a> Members<'a> for Inner<'a> {
    fn member<A: MapAccess<'a>>(&mut self, name: &'a str, map: &mut A) -> Result<(), A::Error> {
        if is(name, "data") {
            self.data = Some(map.next_value::<&RawValue>()?.get());
        } else if is(name, "delivery_stream_arn") {
            self.delivery_stream_arn = optional(map.next_value()?);
        } else {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// An optional property that is null counts as absent: some serialisers write all members.
fn optional(value: &RawValue) -> Option<&str> {
    Some(value.get()).filter(|text| *text != "null")
}

/// Whether the JSON string `text` says `name`.
fn is(text: &str, name: &str) -> bool {
    let mut rest = name.as_bytes();
    let compared = unescape::<Differs>(text, |piece| {
        rest = rest.strip_prefix(piece).ok_or(Differs)?;
        Ok(())
    });
    compared.is_ok_and(|()| rest.is_empty())
}

struct Differs;

impl From<LoneSurrogate> for Differs {
    fn from(_: LoneSurrogate) -> Self {
        Self
    }
}

struct Fill<'m, M>(&'m mut M);

impl<'a, M: Members<'a>> DeserializeSeed<'a> for Fill<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a, M: Members<'a>> Visitor<'a> for Fill<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<&RawValue>()? {
            self.0.member(name.get(), &mut map)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
