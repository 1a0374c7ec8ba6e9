//! How records are packed, and what separates them.

use super::{
    environment::Environment,
    problem::{Problem, Problems},
    settings::one_of,
};
use crate::limits::{DELIMITER_BYTES, RECORD_BYTES};
use crate::relay::pack::{Delimiter, Packing};

/// `FIREHOSE_CONNECTOR_PACK`, `FIREHOSE_CONNECTOR_PACK_BINARY`, `FIREHOSE_CONNECTOR_DELIMITER` and
/// `FIREHOSE_CONNECTOR_DELIMITER_AT_END`.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> Packing {
    Packing {
        bytes: bytes(environment, problems),
        binary: one_of(environment, "FIREHOSE_CONNECTOR_PACK_BINARY", ["0", "1"], problems),
        delimiter: delimiter(environment, problems),
        at_end: one_of(environment, "FIREHOSE_CONNECTOR_DELIMITER_AT_END", ["0", "1"], problems),
    }
}

fn bytes(environment: &Environment, problems: &mut Problems) -> usize {
    const NAME: &str = "FIREHOSE_CONNECTOR_PACK";
    let Some(text) = environment.text(NAME, problems) else { return 0 };
    match text.parse() {
        Ok(bytes) if bytes <= RECORD_BYTES => bytes,
        _ => {
            let rule = format!("must be a number of bytes from 1 to {RECORD_BYTES}, or 0 for none; 5120 costs least");
            problems.push(Problem::variable(NAME, rule).with_text(text));
            0
        }
    }
}

/// A line feed by default. Letters, digits and backslashes would be what a shell or systemd makes of an escape such as `\n`.
fn delimiter(environment: &Environment, problems: &mut Problems) -> Delimiter {
    const NAME: &str = "FIREHOSE_CONNECTOR_DELIMITER";
    let text = environment.text(NAME, problems).unwrap_or("%0A");
    bytes_of(text).and_then(|bytes| Delimiter::new(&bytes)).unwrap_or_else(|| {
        let rule = format!(
            "must be at most {DELIMITER_BYTES} bytes, each as % and two hexadecimal digits or a punctuation mark: %0A is a line feed"
        );
        problems.push(Problem::variable(NAME, rule).with_text(text));
        Delimiter::default()
    })
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut left) = (Vec::new(), text.as_bytes());
    while let [first, more @ ..] = left {
        left = match (first, more) {
            (b'%', [high, low, more @ ..]) => {
                let [high, low] = [high, low].map(|&digit| char::from(digit).to_digit(16));
                bytes.push(u8::try_from(high? * 16 + low?).ok()?);
                more
            }
            (b'%' | b'\\' | b'"' | b'\'', _) => return None,
            (mark, more) if mark.is_ascii_punctuation() => {
                bytes.push(*mark);
                more
            }
            _ => return None,
        };
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{environment, lines};

    fn of(variables: &[(&str, &str)]) -> (Packing, Vec<String>) {
        let mut problems = Problems::default();
        let packing = read(&environment(variables), &mut problems);
        (packing, lines(problems.into_error()))
    }

    #[test]
    fn packing_is_off_unless_a_number_of_bytes_is_given() {
        let (packing, _) = of(&[]);
        assert!(packing.is_off() && !packing.binary && packing.delimiter.as_bytes() == b"\n");
        for (text, bytes) in [("0", 0), ("1", 1), ("5120", 5120), ("1024000", 1_024_000)] {
            let (packing, problems) = of(&[("FIREHOSE_CONNECTOR_PACK", text)]);
            assert_eq!((packing.bytes, problems), (bytes, vec![]));
        }
        for text in ["1024001", "-1", "5 KB", "on"] {
            let rule = "must be a number of bytes from 1 to 1024000, or 0 for none; 5120 costs least";
            let expected = format!("FIREHOSE_CONNECTOR_PACK \"{text}\": {rule}");
            assert_eq!(of(&[("FIREHOSE_CONNECTOR_PACK", text)]).1, [expected]);
        }
    }

    #[test]
    fn a_delimiter_has_at_most_eight_bytes_and_is_not_what_a_shell_leaves_of_an_escape() {
        for (text, bytes) in [
            ("%0A", "\n"),
            ("%0d%0a", "\r\n"),
            ("%1E", "\u{1e}"),
            ("%C3%A4%09%5C", "ä\t\\"),
            ("|,|", "|,|"),
            ("%4e%45%58%54----", "NEXT----"),
        ] {
            let (packing, problems) = of(&[("FIREHOSE_CONNECTOR_DELIMITER", text)]);
            assert_eq!((str::from_utf8(packing.delimiter.as_bytes()), problems), (Ok(bytes), vec![]), "{text}");
        }
        for text in [r"\n", "n", "u001e", "\n", ",\r", " ", "ä", "%0", "%", "%g0", "%+1", "-----|---"] {
            let (_, problems) = of(&[("FIREHOSE_CONNECTOR_DELIMITER", text)]);
            assert_eq!(problems.len(), 1, "{text}");
            let rule = "must be at most 8 bytes, each as % and two hexadecimal digits or a punctuation mark: %0A is a line feed";
            assert!(problems[0].starts_with("FIREHOSE_CONNECTOR_DELIMITER"), "{problems:?}");
            assert!(problems[0].ends_with(rule), "{problems:?}");
        }
    }

    #[test]
    fn the_flags_are_0_or_1() {
        let flags = ["FIREHOSE_CONNECTOR_PACK_BINARY", "FIREHOSE_CONNECTOR_DELIMITER_AT_END"];
        let (packing, _) = of(&flags.map(|name| (name, "1")));
        assert!(packing.binary && packing.at_end && !packing.is_off());
        let (_, problems) = of(&flags.map(|name| (name, "x")));
        assert_eq!(problems, flags.map(|name| format!("{name} \"x\": must be 0 or 1")));
    }
}
