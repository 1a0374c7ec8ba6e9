//! The relay: no I/O, no clock.
pub mod arn;
