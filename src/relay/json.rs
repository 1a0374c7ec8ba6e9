//! What a borrowing parser leaves open about JSON text: how deep it nests, where a string ends that is read without it, and
//! what one with escapes says.

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

/// As many bytes as a register holds are looked at together.
const WIDTH: usize = size_of::<usize>();
const ONES: usize = usize::MAX / 0xff;
const HIGHS: usize = ONES << 7;

/// Finds the first `byte` in a word: its highest bit is set in what is answered, and no lower one. Those behind it mean nothing.
const fn marks(word: usize, byte: u8) -> usize {
    let zero = word ^ (ONES * byte as usize);
    zero.wrapping_sub(ONES) & !zero & HIGHS
}

/// The same for the first byte that does not stand for itself in a JSON string: quotation mark, backslash or control character.
const fn special(word: usize) -> usize {
    // This makes the quotation mark the one behind the control characters, which stay what they are.
    let quote = word ^ (ONES * 2);
    marks(word, b'\\') | quote.wrapping_sub(ONES * 0x21) & !quote & HIGHS
}

/// Bytes of a word before the first mark.
const fn before(marks: usize) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// Whether a control character is among them.
fn has_control(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<WIDTH>();
    let below = |word: usize| word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    words.iter().fold(0, |found, word| found | below(usize::from_le_bytes(*word))) != 0
        || rest.iter().any(|byte| *byte < b' ')
}

/// Whether all of `text` stands for itself in a JSON string.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<WIDTH>();
    words.iter().all(|word| special(usize::from_le_bytes(*word)) == 0) && !rest.iter().any(is_special)
}

const fn is_special(byte: &u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..b' ')
}

/// Where the first byte from `at` on is that `is` one of those which `marks` finds in a word.
#[inline(always)]
fn next(bytes: &[u8], mut at: usize, marks: fn(usize) -> usize, is: fn(&u8) -> bool) -> Option<usize> {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let marks = marks(usize::from_le_bytes(*word));
        if marks != 0 {
            return Some(at + before(marks));
        }
        at += WIDTH;
    }
    Some(at + bytes.get(at..)?.iter().position(is)?)
}

/// The JSON string that `text` begins with, with its quotes; `None`: it begins with none that is valid.
#[must_use]
pub fn leading_string(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    bytes.starts_with(b"\"").then_some(())?;
    let mut at = 1;
    loop {
        at = next(bytes, at, special, is_special)?;
        at += match bytes.get(at)? {
            b'\\' => match *bytes.get(at + 1)? {
                kind if SHORT[kind as usize] != 0 => 2,
                _ => unit(&bytes[at..]).map(|_| 6)?,
            },
            b'"' => return text.get(..=at),
            _ => return None,
        };
    }
}

/// Bytes in which the next escape is looked for word by word: between escapes that is fast, for a long run a search with vector
/// instructions is.
const NEAR: usize = 64;

/// Bytes of the JSON string that `text` begins with, if it is valid; `None`: it has no end.
#[must_use]
pub fn string_length(text: &[u8]) -> Option<usize> {
    const fn ends(word: usize) -> usize {
        marks(word, b'\\') | marks(word, b'"')
    }
    let mut at = 1;
    loop {
        let rest = text.get(at..)?;
        let (near, far) = rest.split_at(rest.len().min(NEAR));
        at += match next(near, 0, ends, |byte| matches!(byte, b'"' | b'\\')) {
            Some(place) => place,
            None => near.len() + memchr::memchr2(b'"', b'\\', far)?,
        };
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Bytes that are gathered to be given as one piece, at most: between escapes there are often only a few.
const GATHERED: usize = 1024;
/// Bytes that a word and a character behind it may add to them.
const LONGEST: usize = 2 * WIDTH;

/// Gives what a JSON string says, piece by piece, as UTF-8. A piece may end within a character.
///
/// `text` is the string as it stands in the message, with its quotes, already known to be valid JSON.
///
/// # Errors
/// `E` from `piece`, or a lone surrogate turned into `E`.
pub fn unescape<E: From<LoneSurrogate>>(text: &str, mut piece: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut taken = Ok(());
    let read = read_string(text, &mut |part| {
        taken = piece(part);
        taken.is_ok()
    });
    taken?;
    if read.is_some_and(|(_, is_said)| is_said) { Ok(()) } else { Err(LoneSurrogate.into()) }
}

/// As [`leading_string`], and gives what the string says, piece by piece. Answers, too, whether it has said all: not if `piece`
/// answered false, or half of a surrogate pair is in it. Then, and if it is not valid, some pieces may have been given.
pub fn read_string<'a>(text: &'a str, piece: &mut dyn FnMut(&[u8]) -> bool) -> Option<(&'a str, bool)> {
    let bytes = text.as_bytes();
    bytes.starts_with(b"\"").then_some(())?;
    let (mut gathered, mut used, mut at) = ([0; GATHERED], 0, 1);
    // Words since the last escape.
    let mut plain_words = 0;
    loop {
        if used > GATHERED - LONGEST {
            if !piece(&gathered[..used]) {
                break;
            }
            used = 0;
        }
        if let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<WIDTH>) {
            // All are copied; those from the special one on are written over.
            gathered[used..used + WIDTH].copy_from_slice(word);
            let marks = special(usize::from_le_bytes(*word));
            if marks == 0 {
                used += WIDTH;
                at += WIDTH;
                plain_words += 1;
                if plain_words < NEAR / WIDTH {
                    continue;
                }
                let plain = &bytes[at..at + memchr::memchr2(b'"', b'\\', &bytes[at..])?];
                if has_control(plain) {
                    return None;
                }
                if used + plain.len() <= GATHERED - LONGEST {
                    gathered[used..used + plain.len()].copy_from_slice(plain);
                    used += plain.len();
                } else {
                    if !piece(&gathered[..used]) || !piece(plain) {
                        break;
                    }
                    used = 0;
                }
                at += plain.len();
            } else {
                used += before(marks);
                at += before(marks);
            }
            plain_words = 0;
        }
        match *bytes.get(at)? {
            b'\\' => match SHORT[*bytes.get(at + 1)? as usize] {
                0 => {
                    let Some((character, length)) = by_number(&bytes[at..]) else { break };
                    used += character.encode_utf8(&mut gathered[used..]).len();
                    at += length;
                }
                byte => {
                    gathered[used] = byte;
                    used += 1;
                    at += 2;
                }
            },
            b'"' => {
                let is_taken = piece(&gathered[..used]);
                return text.get(..=at).map(|string| (string, is_taken));
            }
            ..b' ' => return None,
            byte => {
                gathered[used] = byte;
                used += 1;
                at += 1;
            }
        }
    }
    leading_string(text).map(|string| (string, false))
}

/// What the escape of a backslash and this byte stands for; zero: it is none, or one with a number.
static SHORT: [u8; 256] = {
    let mut short = [0; 256];
    let mut escapes: &[(u8, u8)] = &[
        (b'"', b'"'),
        (b'\\', b'\\'),
        (b'/', b'/'),
        (b'b', 8),
        (b'f', 12),
        (b'n', b'\n'),
        (b'r', b'\r'),
        (b't', b'\t'),
    ];
    while let [(kind, byte), rest @ ..] = escapes {
        short[*kind as usize] = *byte;
        escapes = rest;
    }
    short
};

/// The character of the `\u` escape that `escape` begins with, or of two that are a surrogate pair, and how many bytes of text it
/// takes.
fn by_number(escape: &[u8]) -> Option<(char, usize)> {
    let high = unit(escape)?;
    match escape.get(6..).and_then(unit) {
        Some(low @ 0xDC00..=0xDFFF) if (0xD800..=0xDBFF).contains(&high) => {
            Some((char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))?, 12))
        }
        _ => Some((char::from_u32(high)?, 6)),
    }
}

/// The UTF-16 unit of the `\u` escape that `text` begins with.
fn unit(text: &[u8]) -> Option<u32> {
    let hex = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    hex.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
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

    #[test]
    fn a_long_string_is_given_in_pieces_until_they_are_not_wanted() {
        for plain in [1, 5, 9, 1000, 1023, 1024, 5000] {
            for escapes in [0, 1, 7, 300] {
                let said = "x".repeat(plain) + &"\n\u{e9}\"yz".repeat(escapes) + &"x".repeat(plain);
                let text = serde_json::to_string(&said).unwrap() + ", \"";
                let (mut pieces, mut bytes) = (0, Vec::new());
                let read = read_string(&text, &mut |piece| {
                    pieces += 1;
                    bytes.extend_from_slice(piece);
                    true
                });
                assert_eq!(read, Some((&text[..text.len() - 3], true)));
                assert_eq!(bytes, said.as_bytes(), "{plain} {escapes}");
                for most in 0..pieces {
                    let mut count = 0;
                    let read = read_string(&text, &mut |_| {
                        count += 1;
                        count <= most
                    });
                    assert_eq!((read, count), (Some((&text[..text.len() - 3], false)), most + 1));
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_in_a_long_plain_run_is_found_wherever_it_stands() {
        for plain in [60, 63, 64, 65, 72, 300, 1000, 1030, 3000] {
            for place in (0..plain).step_by(7).chain(plain - 9..plain) {
                for wrong in ["\n", "\u{1f}", "\\", "\\x", "\"", "\u{7f}\u{e9}", "\\u00e9"] {
                    let text = ["\"", &"x".repeat(place), wrong, &"y".repeat(plain - place), "\""].concat();
                    for text in [&text[..], &text[..text.len() - 1]] {
                        let mut said = Vec::new();
                        let read = read_string(text, &mut |piece| {
                            said.extend_from_slice(piece);
                            true
                        });
                        assert_eq!(
                            read.map(|(string, _)| string),
                            string_byte_by_byte(text),
                            "{plain} {place} {wrong:?}"
                        );
                        let expected = read.map(|(string, _)| serde_json::from_str::<String>(string).unwrap());
                        assert_eq!(read.map(|_| String::from_utf8(said).unwrap()), expected);
                    }
                }
            }
        }
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

    /// As [`leading_string`], byte by byte.
    fn string_byte_by_byte(text: &str) -> Option<&str> {
        let bytes = text.as_bytes();
        let mut at = 1;
        bytes.starts_with(b"\"").then_some(())?;
        loop {
            at += match *bytes.get(at)? {
                b'"' => return text.get(..=at),
                ..b' ' => return None,
                b'\\' => match *bytes.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    b'u' => bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(6)?,
                    _ => return None,
                },
                _ => 1,
            };
        }
    }

    proptest::proptest! {
        #[test]
        fn a_string_ends_where_it_does_byte_by_byte_and_is_one_to_serde_json(
            before in 0..9_usize,
            text in "\"([ -\u{21}#-\\[\\]-\u{7f}\u{e9}\u{1f980}]{0,20}(\\\\.|\\\\u[0-9a-fA-Fg]{4}|\\x00-\\x1f\\x80|\\x00)?){0,6}(\"[^\"]{0,9})?",
        ) {
            let text = &(" ".repeat(before) + &text)[before..];
            let found = leading_string(text);
            proptest::prop_assert_eq!(found, string_byte_by_byte(text));
            let mut said = Vec::new();
            let read = read_string(text, &mut |piece| { said.extend_from_slice(piece); true });
            proptest::prop_assert_eq!(read.map(|(string, _)| string), found);
            if let Some((string, is_said)) = read {
                let expected = serde_json::from_str::<String>(string).ok().map(String::into_bytes);
                proptest::prop_assert_eq!(is_said.then_some(said), expected);
            }
            let is_right = |text| serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
            match found {
                Some(string) => proptest::prop_assert!(is_right(string)),
                None => proptest::prop_assert!(!is_right(text)),
            }
        }

        #[test]
        fn what_does_not_stand_for_itself_is_found_at_any_place(
            plain in "[ !#-\\[\\]-\u{7f}\u{80}\u{e9}\u{1f980}]{0,40}",
            end in "(|[\"\\\\\\x00-\\x1f][ -~]{0,9})",
        ) {
            proptest::prop_assert_eq!(is_plain(&format!("{plain}{end}")), end.is_empty());
        }

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
