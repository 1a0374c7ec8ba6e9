//! firehose-connector: takes MQTT publishes, holds them inside a memory budget, sends them to Amazon Data
//! Firehose in signed batches, and answers on MQTT with one status for each record.
//!
//! # The tour
//!
//! ```text
//!      MQTT broker                                          Amazon Data Firehose
//!          | publishes                                           ^  | answer
//!          v                                                     |  v
//!   mqtt       one connection at a time              http       one request for each connection
//!          |                       ^                       ^        |
//!          | groups of publishes   | status messages       | chunks |
//!          v                       |                       |        v
//!   daemon     one loop, one owner: takes what happened, then sends what is due
//!          |                       ^                       ^        |
//!          | receive               | next_status           |        | handle_outcome
//!          v                       |                       |        v
//!   relay      arena, queues, batches, statuses      firehose   bodies, signatures, answers
//! ```
//!
//! As a component of AWS IoT Greengrass V2, `greengrass` stands in the place of [`mqtt`].
//!
//! To follow one record: [`mqtt`] reads a group of publishes and hands it to the [`daemon`], which calls
//! [`Relay::receive`](relay::Relay::receive) for each. The record is copied once, into the [`relay::arena`], or
//! answered with a `fail` status. When its batch is due, [`Relay::poll_send`](relay::Relay::poll_send) cuts it;
//! `daemon::uplink` runs [`firehose::request`] over it twice, once for the signature ([`firehose::sign`]) and once for
//! the socket ([`http`]). [`firehose::reply`] reads the answer, and
//! [`Relay::handle_outcome`](relay::Relay::handle_outcome) turns it into statuses, which leave through
//! [`Relay::next_status`](relay::Relay::next_status), or puts the record at the end of its queue. Once the record is
//! delivered or has failed, its publish is safe ([`relay::receipts`]), and the broker's side acknowledges it.
//!
//! While the uplink takes nothing, records go to disk instead: the relay decides which (`relay::spooled`), the
//! [`keeper`] carries them to the [`spool`] and back.
//!
//! The [`doctor`] goes the same way once, without a record, and reports each step: `check --online`.
//!
//! # The rooms
//!
//! Each uses those below it only, and two of one floor do not know each other; `scripts/layers` checks it.
//!
//! | Floor | What it does |
//! |---|---|
//! | `main` | reads the command line, checks or runs |
//! | [`daemon`], [`doctor`] | the loop that owns the relay; the same way once, step by step |
//! | [`prepare`] | everything that can be judged before the first connection |
//! | [`credentials`] | the sources of keys, in the order of the SDKs, and their renewal |
//! | [`keeper`] | between the relay and the spool |
//! | [`http`], [`mqtt`], `greengrass`, [`spool`] | requests and their answers; the broker's session; the same by Greengrass IPC; what is kept on disk |
//! | [`transport`] | names, proxies, TCP, TLS |
//! | [`sandbox`], [`memory`], [`log_output`], [`cli`] | isolation; the division of `MemorySize`; lines of the log; the command line |
//! | [`config`] | the definition and the environment, checked |
//! | [`firehose`], [`source`] | the bytes of the two calls, signed; what a source of publishes hands to the daemon |
//! | [`relay`] | the core: what is held, what is sent when, what is answered |
//! | [`error_chain`], [`clock`], [`log_limit`], [`random`], [`foreign`], [`checksum`] | an error and its causes as text; the time; a limit for repeated lines; random numbers; text from outside made safe for messages; CRC-32 |
//! | [`limits`] | every bound, with unit and source |
//! | [`time`] | instants and durations of the core |
//!
//! # The rules
//!
//! - [`relay`] and [`firehose`] do no I/O and have no clock. They take bytes and a time and return bytes and a
//!   deadline.
//! - What comes from outside gets into a message through [`foreign`] only, and every message is one line.
//! - Every bound is in [`limits`], and [`memory`] shows how they add up to `MemorySize`.
//! - One loop owns the relay. Tasks speak through bounded channels.
//! - Before the first connection the process gives up what it has no use for.

#![forbid(unsafe_code)]

pub mod checksum;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod daemon;
pub mod doctor;
pub mod error_chain;
pub mod firehose;
pub mod foreign;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(feature = "greengrass")]
pub mod greengrass;
pub mod http;
pub mod keeper;
pub mod limits;
pub mod log_limit;
pub mod log_output;
pub mod memory;
pub mod mqtt;
pub mod prepare;
pub mod random;
pub mod relay;
pub mod sandbox;
pub mod source;
pub mod spool;
#[cfg(test)]
pub(crate) mod test_support;
pub mod time;
pub mod transport;
