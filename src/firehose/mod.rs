//! Amazon Data Firehose as bytes: `PutRecord` and `PutRecordBatch` requests, signed, and their answers.
//!
//! No socket and no clock: [`request`] encodes a batch from the arena, [`sign`] makes the headers for a
//! given time, [`reply`] interprets an answer.

pub mod credentials;
pub mod endpoint;
pub mod error_code;
pub mod reply;
pub mod request;
pub mod sign;
mod text;
