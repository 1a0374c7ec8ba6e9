//! The two Firehose calls as bytes.
pub mod credentials;
