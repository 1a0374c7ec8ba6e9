//! An error and its causes, as a person reads them.

pub(crate) mod words;

use core::error::Error;
use core::fmt::{self, Write as _};

/// An error and its causes in one line, as far as they say something to a person.
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
