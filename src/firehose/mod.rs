//! Amazon Data Firehose as bytes: `PutRecord` and `PutRecordBatch` requests, signed, and their answers.
//!
//! No socket, no clock: [`request`] encodes a batch from the arena, [`sign`] makes the headers for a
//! time it is given, [`reply`] says what an answer means.

pub mod credentials;
pub mod endpoint;
pub mod error_code;
pub mod reply;
pub mod request;
pub mod sign;
mod text;
