//! Which characters keys and headers may have.

/// Whether `text` contains only characters that are allowed in keys and headers.
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
