//! firehose-connector
pub mod cli;
pub mod config;
pub mod daemon;
pub mod firehose;
pub mod limits;
pub mod memory;
pub mod net;
pub mod relay;
pub mod time;
