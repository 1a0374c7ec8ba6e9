//! What is read of JSON here: single members of objects, as text that is not copied.

use core::fmt;

use serde::de::{DeserializeSeed as _, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::relay::json::{LoneSurrogate, nests_within_bound, unescape};

/// The members of these names in the JSON object `text`, as JSON text, as far as they are there; of two the last.
pub(super) fn members<'a>(text: &'a str, names: [&'static str; 3]) -> [Option<&'a str>; 3] {
    let mut json = serde_json::Deserializer::from_str(text);
    Members(names).deserialize(&mut json).unwrap_or_default()
}

/// One of them.
pub(super) fn member<'a>(text: &'a str, name: &'static str) -> Option<&'a str> {
    let [found, ..] = members(text, [name, "", ""]);
    found
}

/// What the JSON string `text` says, as bytes; `None`: it is no string.
pub(super) fn string(text: &str) -> Option<Vec<u8>> {
    let mut said = Vec::with_capacity(text.len());
    if !text.starts_with('"') {
        return None;
    }
    let read = unescape::<LoneSurrogate>(text, |piece| {
        said.extend_from_slice(piece);
        Ok(())
    });
    read.is_ok().then_some(said)
}

/// `payload` as text that is safe to be looked into.
pub(super) fn text(payload: &[u8]) -> Option<&str> {
    str::from_utf8(payload).ok().filter(|text| nests_within_bound(text.as_bytes()))
}

struct Members([&'static str; 3]);

impl<'a> serde::de::DeserializeSeed<'a> for Members {
    type Value = [Option<&'a str>; 3];

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Members {
    type Value = [Option<&'a str>; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; 3];
        while let Some(name) = map.next_key::<&RawValue>()? {
            // Neither nucleus writes these names with escapes.
            let name = name.get().get(1..name.get().len() - 1).unwrap_or_default();
            match self.0.iter().position(|wanted| !name.is_empty() && *wanted == name) {
                Some(place) => found[place] = Some(map.next_value::<&RawValue>()?.get()),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_wherever_it_stands_and_comes_as_it_stands() {
        let text = r#" {"a": {"b": [1, "}"]}, "b": "x\u003d", "c": null} "#;
        assert_eq!(member(text, "a"), Some(r#"{"b": [1, "}"]}"#));
        assert_eq!(member(text, "b").and_then(string), Some(b"x=".to_vec()));
        assert_eq!(member(text, "c"), Some("null"));
        assert_eq!(member(text, "d"), None);
        for broken in ["", "[]", "1", "{\"b\": }", "{\"b\": 1"] {
            assert_eq!(member(broken, "b"), None, "{broken}");
        }
    }

    #[test]
    fn what_is_no_string_or_no_text_says_nothing() {
        for text in ["null", "1", "{}", r#""\ud800""#] {
            assert_eq!(string(text), None, "{text}");
        }
        assert_eq!(text(b"\xff"), None);
        assert_eq!(text("[".repeat(1000).as_bytes()), None, "it would nest too deep for a parser that calls itself");
    }
}
