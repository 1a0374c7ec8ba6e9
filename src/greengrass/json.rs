//! What is read of JSON here: single members of objects, as they stand. What is passed over, and what is handed on, is not judged.

use bytes::Bytes;

use crate::relay::json::{LoneSurrogate, string_length, unescape};

/// Gives each member of the JSON object that `text` begins with: its name, and the text that begins with its value, behind which
/// `take` goes on. Returns what stands behind the object; `None`: it is none, or not all there.
pub(super) fn members<'a>(
    text: &'a [u8],
    take: &mut dyn FnMut(&'a [u8], &'a [u8]) -> Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    let mut rest = text.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    if let Some(behind) = rest.strip_prefix(b"}") {
        return Some(behind);
    }
    loop {
        let (name, behind) = value(rest)?;
        // Neither nucleus writes the names that matter with escapes.
        let behind = take(inner(name)?, behind.trim_ascii_start().strip_prefix(b":")?)?;
        rest = match behind.trim_ascii_start().split_first()? {
            (b',', rest) => rest,
            (b'}', rest) => return Some(rest),
            _ => return None,
        };
    }
}

/// The member `name` of the JSON object `text`, as JSON text; of two the last.
pub(super) fn member<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    members(text, &mut |other, text| {
        let (value, behind) = value(text)?;
        if other == name.as_bytes() {
            found = Some(value);
        }
        Some(behind)
    })?;
    found
}

/// What the JSON string `text` says, which is a part of `whole`; `None`: it is no string.
pub(super) fn string(whole: &Bytes, text: &[u8]) -> Option<Bytes> {
    let inner = inner(text)?;
    if memchr::memchr(b'\\', inner).is_none() {
        return Some(whole.slice_ref(inner));
    }
    let mut said = Vec::with_capacity(inner.len());
    let read = unescape::<LoneSurrogate>(str::from_utf8(text).ok()?, |piece| {
        said.extend_from_slice(piece);
        Ok(())
    });
    read.is_ok().then(|| said.into())
}

/// The value that `text` begins with, and what stands behind it.
pub(super) fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let (mut end, mut depth) = (0, 0_usize);
    loop {
        match text.get(end)? {
            b'"' => {
                end += string_length(&text[end..])?;
                if depth == 0 {
                    break;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            // Behind a number or a word.
            b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => break,
            b'}' | b']' if depth == 1 => {
                end += 1;
                break;
            }
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        end += 1;
    }
    text.split_at_checked(end).filter(|(value, _)| !value.is_empty())
}

/// What stands between the quotes of a string.
fn inner(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<Bytes> {
        let text = Bytes::copy_from_slice(text.as_bytes());
        string(&text, &text)
    }

    #[test]
    fn a_member_is_found_wherever_it_stands_and_comes_as_it_stands() {
        let text = br#" {"a": {"b": [1, "}"]}, "b" : "x\u003d\\", "c": null , "d":[[],{}], "e": "\\\"," } "#;
        let found = |name| member(text, name).map(|value| str::from_utf8(value).unwrap());
        assert_eq!(found("a"), Some(r#"{"b": [1, "}"]}"#));
        assert_eq!(found("b").and_then(said), Some(Bytes::from_static(b"x=\\")));
        assert_eq!(found("c"), Some("null"));
        assert_eq!(found("d"), Some("[[],{}]"));
        assert_eq!(found("e").and_then(said), Some(Bytes::from_static(b"\\\",")));
        assert_eq!(found("f"), None);
    }

    #[test]
    fn an_object_may_be_empty() {
        assert_eq!(members(b" { } behind", &mut |_, _| None), Some(&b" behind"[..]));
    }

    #[test]
    fn of_what_is_no_object_nothing_is_found() {
        for broken in
            ["", "{}", "[]", "1", "{\"b\": }", "{\"b\": 1", "{\"b\" 1}", "{\"b\": 1 2}", "{\"b\": \"}", "{b: 1}"]
        {
            assert_eq!(member(broken.as_bytes(), "b"), None, "{broken}");
        }
    }

    #[test]
    fn what_is_no_string_says_nothing() {
        for text in ["null", "1", "{}", "\"", r#""\ud800""#] {
            assert_eq!(said(text), None, "{text}");
        }
        assert_eq!(string(&Bytes::new(), b"\"\xff\\n\""), None);
    }

    #[test]
    fn nesting_takes_no_stack() {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(member(deep.as_bytes(), "a").map(<[u8]>::len), Some(2_000_001));
    }

    proptest::proptest! {
        #[test]
        fn a_member_is_the_one_that_serde_json_finds(
            before in "[\\x00-\\x7f\u{e9}]{0,20}",
            text in "[\\x00-\\x7f\u{e9}]{0,20}",
            number: i32,
        ) {
            let wanted = serde_json::json!([text, {"b": number, "c": [text, {}]}, number]).to_string();
            let before = serde_json::to_string(&before).unwrap();
            let object = format!("{{\"a\": {before}, \"b\": {wanted}, \"c\": {{\"b\": {before}}}, \"d\": {number}}}");
            proptest::prop_assert_eq!(member(object.as_bytes(), "b"), Some(wanted.as_bytes()));
            let number = number.to_string();
            proptest::prop_assert_eq!(member(object.as_bytes(), "d"), Some(number.as_bytes()));
        }
    }
}
