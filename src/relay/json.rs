//! The two things about JSON text that a borrowing parser leaves open: how deep it nests, and what
//! a string with escapes says.

use crate::limits::NESTING;

/// Whether `text` nests arrays and objects no deeper than [`NESTING`] levels.
#[must_use]
pub fn nests_within_bound(text: &[u8]) -> bool {
    // An ordinary message has so few brackets that finding them is all.
    memchr::memchr2_iter(b'[', b'{', text).nth(NESTING).is_none() || depth(text) <= NESTING
}

fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.iter();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => drop(bytes.next()),
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A `\u` escape that is half of a surrogate pair: JSON allows it, but it is no character and has
/// no UTF-8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoneSurrogate;

/// Bytes of pieces that are given as one: between escapes there are often only a few.
const GATHERED: usize = 256;

/// Gives what a JSON string says, piece by piece, as UTF-8.
///
/// `text` is the string as it stands in the message, with its quotes, already known to be valid JSON.
///
/// # Errors
/// `E` from `piece`, or a lone surrogate turned into `E`.
pub fn unescape<E: From<LoneSurrogate>>(text: &str, mut piece: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut rest = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let (mut gathered, mut used) = ([0; GATHERED], 0);
    let mut give = |part: &[u8], end: bool| {
        if used > 0 && (end || used + part.len() > GATHERED) {
            piece(&gathered[..used])?;
            used = 0;
        }
        match gathered.get_mut(used..used + part.len()) {
            Some(room) if !end => {
                room.copy_from_slice(part);
                used += part.len();
                Ok(())
            }
            _ if part.is_empty() => Ok(()),
            _ => piece(part),
        }
    };
    // A character that stands for itself begins a piece, behind which the next backslash is looked for.
    let mut from = 0;
    loop {
        let plain = memchr::memchr(b'\\', &rest.as_bytes()[from..]).map_or(rest.len(), |place| from + place);
        let (before, escape) = rest.split_at(plain);
        let next = escape.as_bytes().get(1);
        give(before.as_bytes(), next.is_none())?;
        match next {
            None => return Ok(()),
            Some(b'"' | b'\\' | b'/') => (rest, from) = (&escape[1..], 1),
            Some(_) => {
                let (character, length) = escaped(escape)?;
                give(character.encode_utf8(&mut [0; 4]).as_bytes(), false)?;
                (rest, from) = (escape.get(length..).unwrap_or_default(), 0);
            }
        }
    }
}

/// The character that `escape` begins with, and how many bytes of text it takes.
fn escaped(escape: &str) -> Result<(char, usize), LoneSurrogate> {
    Ok(match escape.as_bytes().get(1) {
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => {
            let high = unit(escape, 0).ok_or(LoneSurrogate)?;
            match unit(escape, 6) {
                Some(low @ 0xDC00..=0xDFFF) if (0xD800..=0xDBFF).contains(&high) => {
                    let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                    (char::from_u32(code).ok_or(LoneSurrogate)?, 12)
                }
                _ => (char::from_u32(high).ok_or(LoneSurrogate)?, 6),
            }
        }
        _ => return Err(LoneSurrogate), // cannot be in valid JSON
    })
}

/// The UTF-16 unit of the `\u` escape at `at`.
fn unit(text: &str, at: usize) -> Option<u32> {
    let hex = text.get(at..at + 6)?.strip_prefix("\\u")?;
    u32::from_str_radix(hex, 16).ok()
}

/// Bytes that `text` takes as a JSON string, as serde_json writes it, with its quotes.
#[must_use]
pub fn quoted_len(text: &str) -> usize {
    2 + text.bytes().map(written).sum::<usize>()
}

/// The longest part of `text`, from its start, that takes at most `most` bytes as a JSON string.
#[must_use]
pub fn cut_quoted(text: &str, most: usize) -> &str {
    let mut length = 2;
    let end = text.bytes().position(|byte| {
        length += written(byte);
        length > most
    });
    &text[..text.floor_char_boundary(end.unwrap_or(text.len()))]
}

const fn written(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | b'\x08' | b'\x0c' => 2,
        ..b' ' => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_nest() {
        let text = format!(r#"{{"a": "{}", "b": "\"{}"}}"#, "[".repeat(500), "{".repeat(500));
        assert!(nests_within_bound(text.as_bytes()));
    }

    #[test]
    fn brackets_in_strings_do_not_end_what_nests() {
        assert!(!nests_within_bound(r#"["]","#.repeat(500).as_bytes()));
        assert!(!nests_within_bound(r#"{"}":"#.repeat(500).as_bytes()));
    }

    #[test]
    fn what_stands_side_by_side_does_not_nest() {
        assert!(nests_within_bound(format!("[{}{{}}]", "[{}],".repeat(500)).as_bytes()));
    }

    #[test]
    fn a_nesting_bomb_is_seen_at_its_first_level_too_many() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(nests_within_bound(nested(NESTING).as_bytes()));
        assert!(!nests_within_bound(nested(NESTING + 1).as_bytes()));
        assert!(!nests_within_bound(&vec![b'['; 1_000_000]));
    }

    fn unescaped(text: &str) -> Result<String, LoneSurrogate> {
        let mut bytes = Vec::new();
        unescape::<LoneSurrogate>(text, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        for text in [r#""\ud800""#, r#""\udc00\ud800""#, r#""\u0041\udc00""#, r#""\ud800x""#, r#""\ud800A""#] {
            assert_eq!(unescaped(text), Err(LoneSurrogate), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_length_of_a_quoted_text_is_that_of_serde_json(text in "[\\x00-\\x7f\u{e9}\u{1f980}]{0,40}") {
            proptest::prop_assert_eq!(quoted_len(&text), serde_json::to_string(&text).unwrap().len());
        }

        #[test]
        fn a_text_is_cut_where_its_json_would_be_too_long(
            text in "[\\x00-\\x7f\u{e9}\u{1f980}]{0,40}",
            most in 2..100_usize,
        ) {
            let cut = cut_quoted(&text, most);
            proptest::prop_assert!(text.starts_with(cut) && quoted_len(cut) <= most);
            if let Some(next) = text[cut.len()..].chars().next() {
                let longer = format!("{cut}{next}");
                proptest::prop_assert!(quoted_len(&longer) > most);
            }
        }

        #[test]
        fn any_string_in_any_spelling_says_the_same_as_in_serde_json(
            pieces in proptest::collection::vec((proptest::prelude::any::<char>(), 0..3_u8), 0..40)
        ) {
            let mut text = String::from('"');
            for (character, spelling) in pieces {
                let mut units = [0; 2];
                match (spelling, character) {
                    (0, _) => character.encode_utf16(&mut units).iter().for_each(|u| text.push_str(&format!("\\u{u:04x}"))),
                    (1, '/') => text.push_str("\\/"),
                    _ => {
                        let quoted = serde_json::to_string(&character).unwrap();
                        text.push_str(&quoted[1..quoted.len() - 1]);
                    }
                }
            }
            text.push('"');
            proptest::prop_assert_eq!(unescaped(&text).unwrap(), serde_json::from_str::<String>(&text).unwrap());
        }
    }
}
