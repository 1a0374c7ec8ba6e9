//! What several test programs use.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part of this")]

pub mod files;
pub mod scenario;

/// A JSON text without the white space between its tokens.
pub fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|character| {
            let kept = in_string || !character.is_whitespace();
            if *character == '"' && !escaped {
                in_string = !in_string;
            }
            escaped = *character == '\\' && !escaped;
            kept
        })
        .collect()
}
