//! What the nucleus says of a message or of an error, in JSON.
//!
//! ```text
//! local     {"jsonMessage": {"message": ANYTHING, "context": {"topic": "..."}}}
//!           {"binaryMessage": {"message": "BASE64", "context": {"topic": "..."}}}
//! IoT Core  {"message": {"topicName": "...", "payload": "BASE64"}}
//! error     {"message": "..."}, of nucleus lite {"_message": "...", "_errorCode": "..."}
//! ```

use bytes::Bytes;

use super::frame::Frame;
use super::json::{member, members, string, value};
use crate::foreign::foreign;
use crate::limits::greengrass::ANSWER;
use crate::relay::TooLong;
use crate::relay::message::{BINARY_TOPIC, JSON_TOPIC};
use crate::source::Received;

/// The publish that an event of the subscription to `filter` tells of; `None`: it is of another shape.
pub(super) fn received(frame: &Frame, filter: &str, limit: usize) -> Option<Received> {
    if let Some(bytes) = frame.too_long {
        return Some(too_long(frame, filter, bytes, limit));
    }
    let whole = &frame.payload;
    if let Some(message) = as_usual(whole) {
        let (topic, payload) = (Bytes::from_static(JSON_TOPIC.as_bytes()), whole.slice_ref(message));
        return Some(Received { topic, payload, token: None, too_long: None });
    }
    let (mut topic, mut json, mut base64) = (None, None, None);
    // In one go: most of it is the message.
    members(whole, &mut |kind, text| {
        if !text.trim_ascii_start().starts_with(b"{") {
            return Some(value(text)?.1);
        }
        members(text, &mut |name, text| {
            let (found, behind) = value(text)?;
            match (kind, name) {
                (b"jsonMessage", b"message") => json = Some(found),
                (b"binaryMessage", b"message") | (b"message", b"payload") => base64 = Some(found),
                (b"message", b"topicName") => topic = Some(found),
                (b"jsonMessage" | b"binaryMessage", b"context") => topic = member(found, "topic"),
                _ => {}
            }
            Some(behind)
        })
    })?;
    let payload = match json {
        Some(json) => whole.slice_ref(json),
        None => decoded(whole, base64?)?,
    };
    // Before 2.6.0 the classic nucleus did not say which topic it was.
    let topic =
        topic.and_then(|topic| string(whole, topic)).unwrap_or_else(|| Bytes::copy_from_slice(filter.as_bytes()));
    Some(Received { topic, payload, token: None, too_long: None })
}

/// A message of the topic for JSON, in an event as both nuclei write it: without spaces, and the message first. Where it ends need not be
/// searched for, because what comes last closes three objects, so the context stands beside the message and not in it. That there is one
/// message and nothing else is seen by who reads it.
fn as_usual(whole: &[u8]) -> Option<&[u8]> {
    let (before, behind) = (br#"{"jsonMessage":{"message":"#, br#","context":{"topic":"kinesisfirehose/message"}}}"#);
    let message = whole.strip_prefix(before)?.strip_suffix(behind)?;
    (message.starts_with(b"{") && message.ends_with(b"}")).then_some(message)
}

/// What a JSON string says in base64. Gson writes `=` as an escape.
fn decoded(whole: &Bytes, text: &[u8]) -> Option<Bytes> {
    base64_simd::STANDARD.decode_to_vec(string(whole, text)?).ok().map(Bytes::from)
}

/// Of an event above the limit the topic stands at the end, which was not kept. So it is that of the subscription; of one to all
/// binary messages it is the one without an id.
fn too_long(frame: &Frame, filter: &str, bytes: usize, limit: usize) -> Received {
    let too_long = TooLong { bytes, limit, topic_cut: true };
    let topic = if filter.contains(['+', '#']) { BINARY_TOPIC } else { filter };
    // The beginning of the JSON message, where its id may stand.
    let begin = b"\"message\":";
    let payload = memchr::memmem::find(&frame.payload, begin).map(|place| frame.payload.slice(place + begin.len()..));
    Received {
        topic: Bytes::copy_from_slice(topic.as_bytes()),
        payload: payload.unwrap_or_default(),
        token: None,
        too_long: Some(too_long),
    }
}

/// What an error says: its name and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Without what stands before it in `aws.greengrass#UnauthorizedError`.
    pub(super) name: String,
    words: String,
}

impl Fault {
    pub(super) fn of(frame: &Frame) -> Self {
        let model = String::from_utf8_lossy(&frame.model);
        let name = foreign(model.rsplit('#').next().unwrap_or_default());
        let said = member(&frame.payload, "message").or_else(|| member(&frame.payload, "_message"));
        let words = said.and_then(|text| string(&frame.payload, text));
        let words = words.map(|words| foreign(&String::from_utf8_lossy(&words)));
        Self { name, words: words.unwrap_or_default() }
    }

    /// There was no answer.
    pub(super) fn silent() -> Self {
        Self { name: format!("no answer within {} s", ANSWER.as_secs()), words: String::new() }
    }

    /// Whether the component's `accessControl` does not have what was asked for.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.name == "UnauthorizedError"
    }

    /// Whether the same request gets the same answer until somebody changes the recipe. `granted`: it was granted not long ago.
    pub(super) fn is_for_good(&self, granted: bool) -> bool {
        let name = self.name.strip_suffix("Error").unwrap_or_default();
        // Nucleus lite says the former of everything while its daemon for the configuration restarts.
        name == "Unauthorized" && !granted
            || ["InvalidArguments", "InvalidArgument", "ResourceNotFound"].contains(&name)
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = if self.name.is_empty() { "an error without a name" } else { &self.name };
        f.write_str(name)?;
        if self.words.is_empty() { Ok(()) } else { write!(f, ": {}", self.words) }
    }
}

#[cfg(test)]
mod tests;
