//! Variable byte integers (MQTT 5, section 1.5.5): seven bits in each byte, the lowest first.

/// Bytes of a variable byte integer, at most.
pub(super) const MAX_BYTES: usize = 4;

/// A variable byte integer and how many bytes it takes; `None`: it does not end there.
pub(super) fn decode(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(MAX_BYTES) {
        value |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// The bytes, and how many of them count.
#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
pub(super) fn encode(mut length: usize) -> ([u8; MAX_BYTES], usize) {
    let mut encoded = [0; MAX_BYTES];
    for (place, digit) in encoded.iter_mut().enumerate() {
        *digit = (length & 0x7F) as u8;
        length >>= 7;
        if length == 0 {
            return (encoded, place + 1);
        }
        *digit |= 0x80;
    }
    (encoded, MAX_BYTES)
}
