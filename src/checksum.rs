//! CRC-32 as in zlib (ISO-HDLC), of what is kept on disk and of frames from the nucleus.

use crc32fast::Hasher;

/// The checksum of the bytes given so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checksum(u32);

impl Checksum {
    /// Of no bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Of these bytes alone.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u32 {
        Self::new().and(bytes).value()
    }

    /// With these bytes behind those before.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        Self(hasher.finalize())
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_checksum_of_the_standard() {
        // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        assert_eq!(Checksum::of(b"123456789"), 0xcbf4_3926);
        assert_eq!(Checksum::of(b""), 0);
    }

    #[test]
    fn where_the_bytes_are_split_makes_no_difference() {
        let bytes: Vec<u8> = (0..=255).collect();
        for place in 0..bytes.len() {
            let (before, behind) = bytes.split_at(place);
            assert_eq!(Checksum::new().and(before).and(behind).value(), Checksum::of(&bytes));
        }
    }
}
