//! Makes text from outside safe for a message: a peer's answer, the content of a file, the value of a variable.
//!
//! Such a text may hold anything: a line feed that forges a line of the log, an escape sequence for the reader's
//! terminal, a megabyte, or a secret that a peer was sent and repeats. [`foreign`] is for such a text inside a message,
//! [`line()`] for a whole message. The log and everything that is printed go through [`line()`], so that a forgotten
//! call leaks nothing.
//!
//! Every [`Secret`] in use is on one list. A part of a secret is as bad as the whole, so every word that shares
//! `WINDOW` consecutive bytes with one is blanked. A text that has much of one in another form is blanked as a whole:
//! in base64, in hex, or in pieces.

#![expect(clippy::disallowed_types, reason = "the one list of all secrets; it is never locked across an await")]

use core::fmt::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use base64_simd::STANDARD;

use crate::limits::{FOREIGN_TEXT, LINE_TEXT, SECRET_LEAST};

/// Consecutive bytes of a secret that give it away.
const WINDOW: usize = 12;
/// Consecutive letters and digits of a secret that give it away when all else is left out, or those of its base64 or
/// hex.
const RUN: usize = 20;
/// What is shown instead of a secret.
const BLANKED: &str = "[secret]";

/// All secrets in use. Dropped ones are removed when the next one is added.
static SECRETS: Mutex<Vec<Weak<str>>> = Mutex::new(Vec::new());

/// A text that is never shown: not by `Debug`, nor, as long as a clone of it exists, by [`foreign`] and [`line()`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps `text` out of messages from here on.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = Arc::from(text);
        let mut secrets = secrets();
        secrets.retain(|secret| secret.strong_count() > 0);
        secrets.push(Arc::downgrade(&text));
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The list. A panic while it is locked leaves it valid, so a poisoned lock is used all the same.
fn secrets() -> MutexGuard<'static, Vec<Weak<str>>> {
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `text` for a message: one line that shows at most [`FOREIGN_TEXT`] bytes, and no secret.
#[must_use]
pub fn foreign(text: &str) -> String {
    // More is searched than is shown, so that a secret at the cut is found; but not an endless text.
    let text = &text[..text.floor_char_boundary(4 * FOREIGN_TEXT)];
    cut(&blanked(text), FOREIGN_TEXT)
}

/// The name of a file for a message, as [`foreign`].
#[must_use]
pub fn file_name(path: &Path) -> String {
    foreign(&path.to_string_lossy())
}

/// A whole message: one line that shows at most [`LINE_TEXT`] bytes, and no secret.
#[must_use]
pub fn line(text: &str) -> String {
    cut(&blanked(text), LINE_TEXT)
}

/// Cuts `text` at `most` bytes, and escapes control characters and those that change the direction of writing, as Rust
/// does.
fn cut(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        if line.len() + c.len_utf8() > most {
            line.push('…');
            break;
        }
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            // Writing to a String cannot fail.
            let _: fmt::Result = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// `text` with every word blanked that gives a secret away: for a text that goes elsewhere than into a message.
#[must_use]
pub fn blanked(text: &str) -> String {
    let secrets: Vec<Arc<str>> = secrets().iter().filter_map(Weak::upgrade).collect();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        shown.push_str(if gives_away(word, &secrets) { BLANKED } else { word });
        let between = after.find(is_of_word).unwrap_or(after.len());
        shown.push_str(&after[..between]);
        rest = &after[between..];
    }
    // A secret that is not a single word is blanked only as a whole.
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_LEAST && !secret.chars().all(is_of_word)) {
        if shown.contains(&**secret) {
            shown = shown.replace(&**secret, BLANKED);
        }
    }
    if hides(&shown, &secrets) { BLANKED.to_owned() } else { shown }
}

/// Whether `text` has much of a secret in pieces, in base64 or in hex, which may be escaped.
fn hides(text: &str, secrets: &[Arc<str>]) -> bool {
    let plain = letters(text.as_bytes());
    // Bytes as programs print them: "\x77\x4a", "0x77, 0x4a".
    let digits = text.replace("0x", "").to_ascii_lowercase().bytes().filter(u8::is_ascii_hexdigit).collect::<Vec<u8>>();
    // Most letters of ordinary texts are lower case, and this saves most of the work.
    let is_coded = plain.windows(RUN).any(|run| run.iter().filter(|c| !c.is_ascii_lowercase()).count() >= RUN / 4);
    secrets.iter().map(|secret| secret.as_bytes()).any(|secret| {
        let base64 = |skipped| STANDARD.encode_to_string(secret.get(skipped..).unwrap_or_default());
        let hex = || {
            secret.iter().flat_map(|byte| [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]))
        };
        shares(&plain, &letters(secret))
            || shares(&digits, &hex().collect::<Vec<u8>>())
            || is_coded
                // Its first byte may be any of a group of three.
                && ((0..3).any(|skipped| shares(&plain, &letters(base64(skipped).as_bytes())))
                    || shares(&plain.to_ascii_lowercase(), &hex().collect::<Vec<u8>>()))
    })
}

fn letters(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii_alphanumeric).collect()
}

/// Whether [`RUN`] consecutive bytes of `text` are in `secret`, too. Such a run has one of the blocks that are looked
/// for.
fn shares(text: &[u8], secret: &[u8]) -> bool {
    const BLOCK: usize = RUN / 2;
    text.chunks_exact(BLOCK).enumerate().any(|(number, block)| {
        let Some(at) = memchr::memmem::find(secret, block) else { return false };
        let ((before, text), (secret_before, secret)) = (text.split_at(number * BLOCK), secret.split_at(at));
        let backwards = before.iter().rev().zip(secret_before.iter().rev()).take_while(|(a, b)| a == b).count();
        backwards + text.iter().zip(secret).take_while(|(a, b)| a == b).count() >= RUN
    })
}

/// Characters of base64, of URLs, and of their escapes, so that an escaped secret is one word, too.
const fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | '%' | '\\' | '.' | '~' | '!' | '$')
}

fn gives_away(word: &str, secrets: &[Arc<str>]) -> bool {
    secrets.iter().any(|secret| match secret.len() {
        length if length < SECRET_LEAST => false,
        length if length < WINDOW => word.contains(&**secret),
        _ => word.as_bytes().windows(WINDOW).any(|window| memchr::memmem::find(secret.as_bytes(), window).is_some()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQD3xyz+abc/def==";

    #[test]
    fn a_secret_in_use_is_blanked_whole_in_part_and_escaped() {
        let _secret = Secret::new(TOKEN);
        let part = &TOKEN[20..40];
        let escaped = TOKEN.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
        let json = TOKEN.replace('/', "\\/");
        for text in [TOKEN, part, &escaped, &json] {
            let said = line(&format!("x-amz-security-token:{text}, host:x"));
            assert_eq!(said, "x-amz-security-token:[secret], host:x");
        }
    }

    #[test]
    fn a_secret_that_nobody_uses_any_more_is_shown() {
        let former = "a session that ended yesterday";
        let secret = Secret::new(former);
        assert_eq!(line(former), "[secret]");
        drop(secret);
        assert_eq!(line(former), former);
    }

    #[test]
    fn a_secret_in_another_form_blanks_the_text() {
        let _secret = Secret::new(TOKEN);
        let pieces = |size: usize, between: &str| {
            TOKEN.as_bytes().chunks(size).map(|piece| str::from_utf8(piece).unwrap()).collect::<Vec<_>>().join(between)
        };
        let in_base64 = |before: &str| STANDARD.encode_to_string(format!("{before}{TOKEN} or so"));
        let url_safe = in_base64("").replace('+', "-").replace('/', "_").replace('=', "");
        let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = TOKEN.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let all = [in_base64(""), in_base64("x"), in_base64("token="), url_safe, hex.to_uppercase(), hex, percent];
        let cut = [pieces(4, " "), pieces(10, "\n"), pieces(11, "\""), pieces(1, "\u{200b}")];
        let grouped = all.each_ref().map(|form| {
            form.as_bytes().chunks(3).map(|piece| str::from_utf8(piece).unwrap()).collect::<Vec<_>>().join(":")
        });
        let bytes = |before: &str, between: &str| {
            TOKEN.bytes().map(|byte| format!("{before}{byte:02x}")).collect::<Vec<_>>().join(between)
        };
        let printed = [bytes("\\x", ""), bytes("0x", ", "), bytes("", " ")];
        for form in all.iter().chain(&cut).chain(&grouped).chain(&printed) {
            assert_eq!(foreign(&format!("the string was '{form}' in the end")), "[secret]", "{form}");
        }
        for ordinary in [
            "arn:aws:firehose:eu-west-1:123456789012:deliverystream/a-very-long-name-of-a-delivery-stream",
            "no record 49640912821178817833517986466168945147170627572855734274000000000000 of 4964091282117881783351798646616",
            "request 6b0b3f2e-8f7c-4c1e-9d7a-2f1f0c9d8e7b failed: InternalServerErrorException",
            "ZGVhZGJlZWZkZWFkYmVlZmRlYWRiZWVmZGVhZGJlZWY= deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
        ] {
            assert_eq!(foreign(ordinary), ordinary);
        }
    }

    #[test]
    fn short_and_odd_secrets_are_blanked_as_they_are() {
        let _secrets = ["hunter2", "two words, one password"].map(Secret::new);
        assert_eq!(line("wrong password hunter2!"), "wrong password [secret]");
        assert_eq!(foreign("'two words, one password' is wrong"), "'[secret]' is wrong");
    }

    #[test]
    fn a_message_stays_one_bounded_line() {
        assert_eq!(foreign("a\nb\r\0\u{1b}[31m\u{202e}"), "a\\nb\\r\\u{0}\\u{1b}[31m\\u{202e}");
        let long = foreign(&"ü".repeat(100_000));
        assert_eq!(long, "ü".repeat(FOREIGN_TEXT / 2) + "…");
        assert_eq!(line(&"x".repeat(100_000)).len(), LINE_TEXT + "…".len());
        assert_eq!(foreign("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn a_secret_that_ends_behind_the_cut_does_not_show_its_beginning() {
        let _secret = Secret::new(TOKEN);
        let text = format!("{} {TOKEN}", "x".repeat(FOREIGN_TEXT - 20));
        assert!(!foreign(&text).contains("IQoJ"), "{}", foreign(&text));
    }

    #[test]
    fn the_list_holds_what_is_in_use_and_no_more() {
        let before = secrets().len();
        for number in 0..1000 {
            drop(Secret::new(&format!("secret number {number}")));
        }
        assert!(secrets().len() <= before + 100, "{}", secrets().len());
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_one_bounded_line(text: String) {
            for said in [foreign(&text), line(&text)] {
                proptest::prop_assert!(!said.chars().any(char::is_control));
            }
        }
    }
}
