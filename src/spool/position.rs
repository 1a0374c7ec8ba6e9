//! Where an entry stands.

/// Where an entry stands. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    pub(super) const fn new(segment: u32, number: u16) -> Self {
        Self((segment as u64) << 16 | number as u64)
    }

    /// The number that [`Position::to_u64`] gave.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// A number for it.
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
