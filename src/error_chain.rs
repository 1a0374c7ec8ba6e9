//! An error and its causes as one readable line.

pub(crate) mod words;

use core::error::Error;
use core::fmt::{self, Write as _};

/// `error` and its causes in one line, without those that add nothing for a user.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(words) = words::words(error) {
            // Writing to a String cannot fail.
            let _: fmt::Result = write!(text, ": {words}");
        }
        source = error.source();
    }
    text
}
