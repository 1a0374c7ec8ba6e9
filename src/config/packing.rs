//! How records are packed, and what separates them.

use super::{
    environment::Environment,
    problem::{Problem, Problems},
    settings::flag,
};
use crate::limits::{DELIMITER_BYTES, RECORD_BYTES};
use crate::relay::pack::{Delimiter, Packing};

/// `FIREHOSE_CONNECTOR_PACK`, `FIREHOSE_CONNECTOR_PACK_BINARY`, `FIREHOSE_CONNECTOR_DELIMITER` and
/// `FIREHOSE_CONNECTOR_DELIMITER_AT_END`.
pub(super) fn read(environment: &Environment, problems: &mut Problems) -> Packing {
    Packing {
        bytes: bytes(environment, problems),
        binary: flag(environment, "FIREHOSE_CONNECTOR_PACK_BINARY", ["0", "1"], problems),
        delimiter: delimiter(environment, problems),
        at_end: flag(environment, "FIREHOSE_CONNECTOR_DELIMITER_AT_END", ["0", "1"], problems),
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

/// With the escapes of a JSON string, so that any character can stand in an environment file; by default a line feed.
fn delimiter(environment: &Environment, problems: &mut Problems) -> Delimiter {
    const NAME: &str = "FIREHOSE_CONNECTOR_DELIMITER";
    let text = environment.text(NAME, problems).unwrap_or("\\n");
    let unescaped = match text.contains('\\') {
        true => serde_json::from_str::<String>(&format!("\"{text}\"")).ok(),
        false => Some(text.to_owned()),
    };
    unescaped.and_then(|text| Delimiter::new(text.as_bytes())).unwrap_or_else(|| {
        let rule = format!("must be at most {DELIMITER_BYTES} bytes, with escapes as in JSON: \\n, \\t, \\u001e");
        problems.push(Problem::variable(NAME, rule).with_text(text));
        Delimiter::default()
    })
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
    fn a_delimiter_has_the_escapes_of_json_and_at_most_eight_bytes() {
        for (text, bytes) in [
            (r"\n", "\n"),
            (r"\r\n", "\r\n"),
            (r"\u001e", "\u{1e}"),
            (r"\u00e4\t\\", "ä\t\\"),
            ("\t", "\t"),
            ("\"|\"|\"", "|\"|"),
            ("12345678", "12345678"),
        ] {
            let (packing, _) = of(&[("FIREHOSE_CONNECTOR_DELIMITER", text)]);
            assert_eq!(str::from_utf8(packing.delimiter.as_bytes()), Ok(bytes), "{text}");
        }
        for text in ["123456789", r"\x1e", r"\", r"\u00", "äääää"] {
            let (_, problems) = of(&[("FIREHOSE_CONNECTOR_DELIMITER", text)]);
            assert_eq!(problems.len(), 1, "{text}");
            let rule = r"must be at most 8 bytes, with escapes as in JSON: \n, \t, \u001e";
            assert!(problems[0].starts_with("FIREHOSE_CONNECTOR_DELIMITER") && problems[0].ends_with(rule));
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
