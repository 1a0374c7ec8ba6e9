//! CRC-32 as in zlib (ISO-HDLC), of what is kept on disk and of frames from the nucleus.
//!
//! It goes over each byte of each record, so four bytes are taken at a time, each by a table of its own ("slicing-by-4", Kounavis
//! and Berry, 2008). The tables take 4 KiB; the crates have 1 KiB, which takes twice as long, or 16 KiB.

/// The table for the last of four bytes, and for those before it.
static TABLES: [[u32; 256]; 4] = tables();

/// Bits of the polynomial, the lowest first.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// The checksum of the bytes given so far.
#[derive(Debug, Clone, Copy)]
pub struct Checksum(u32);

impl Checksum {
    /// Of no bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Of these bytes alone.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u32 {
        Self::new().and(bytes).value()
    }

    /// With these bytes behind those before.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks();
        let [last, third, second, first] = &TABLES;
        let mut crc = self.0;
        // Without function calls, for tests do without an optimiser.
        for word in words {
            let word = crc ^ u32::from_le_bytes(*word);
            crc = first[(word & 0xff) as usize]
                ^ second[(word >> 8 & 0xff) as usize]
                ^ third[(word >> 16 & 0xff) as usize]
                ^ last[(word >> 24) as usize];
        }
        for byte in rest {
            crc = crc >> 8 ^ last[((crc ^ *byte as u32) & 0xff) as usize];
        }
        Self(crc)
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

const fn tables() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0_u8;
    loop {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte as usize] = crc;
        let Some(next) = byte.checked_add(1) else { break };
        byte = next;
    }
    let mut place = 256;
    while place < 4 * 256 {
        let before = tables[place / 256 - 1][place % 256];
        tables[place / 256][place % 256] = before >> 8 ^ tables[0][(before & 0xff) as usize];
        place += 1;
    }
    tables
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
