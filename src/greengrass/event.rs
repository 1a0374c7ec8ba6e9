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
use super::json::{member, members, string, text};
use crate::foreign::foreign;
use crate::limits::greengrass::ANSWER;
use crate::relay::TooLong;
use crate::relay::message::BINARY_TOPIC;
use crate::source::Received;

/// The publish that an event of the subscription to `filter` tells of; `None`: it is of another shape.
pub(super) fn received(frame: &Frame, filter: &str, limit: usize) -> Option<Received> {
    if let Some(bytes) = frame.too_long {
        return Some(too_long(frame, filter, bytes, limit));
    }
    let event = text(&frame.payload)?;
    let (topic, payload) = match members(event, ["jsonMessage", "binaryMessage", "message"]) {
        [Some(local), ..] => {
            let [json, context, _] = members(local, ["message", "context", ""]);
            (topic_of(context), frame.payload.slice_ref(json?.as_bytes()))
        }
        [None, Some(local), _] => {
            let [base64, context, _] = members(local, ["message", "context", ""]);
            (topic_of(context), decoded(base64?)?)
        }
        [None, None, message] => {
            let [topic, base64, _] = members(message?, ["topicName", "payload", ""]);
            (topic.and_then(string), decoded(base64?)?)
        }
    };
    // Before 2.6.0 the classic nucleus did not say which topic it was.
    let topic = topic.map_or_else(|| Bytes::copy_from_slice(filter.as_bytes()), Bytes::from);
    Some(Received { topic, payload, token: None, too_long: None })
}

fn topic_of(context: Option<&str>) -> Option<Vec<u8>> {
    member(context?, "topic").and_then(string)
}

/// What a JSON string says in base64. Gson writes `=` as an escape.
fn decoded(text: &str) -> Option<Bytes> {
    let mut said = string(text)?;
    let length = base64_simd::STANDARD.decode_inplace(&mut said).ok()?.len();
    said.truncate(length);
    Some(said.into())
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
        let said = text(&frame.payload).and_then(|text| member(text, "message").or_else(|| member(text, "_message")));
        let words = said.and_then(string).map(|words| foreign(&String::from_utf8_lossy(&words)));
        Self { name, words: words.unwrap_or_default() }
    }

    /// There was no answer.
    pub(super) fn silent() -> Self {
        Self { name: format!("no answer within {} s", ANSWER.as_secs()), words: String::new() }
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
