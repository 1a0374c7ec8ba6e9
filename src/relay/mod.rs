//! The relay: no I/O, no clock.
pub mod arena;
pub mod arn;
pub mod json;
pub mod message;
pub mod queue;
pub mod record;
