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
