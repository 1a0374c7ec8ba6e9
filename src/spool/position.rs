//! Names an entry of the spool.

/// Where an entry is: its segment, and its number there. Later entries are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    pub(super) const fn new(segment: u32, number: u16) -> Self {
        Self((segment as u64) << 16 | number as u64)
    }

    /// The position that [`Position::to_u64`] turned into `number`.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The position as one number.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    pub(super) fn segment(self) -> u32 {
        u32::try_from(self.0 >> 16).unwrap_or(u32::MAX)
    }

    pub(super) const fn number(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}
