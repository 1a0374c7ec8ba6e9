//! firehose-connector: takes MQTT publishes, holds them inside a memory budget, sends them to Amazon Data
//! Firehose in signed batches, and answers on MQTT with one status for each record.
//!
//! # The tour
//!
//! ```text
//!      MQTT broker                                          Amazon Data Firehose
//!          | publishes                                           ^  | answer
//!          v                                                     |  v
//!   mqtt       one session at a time                 http       one request for each connection
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
//! To follow one record: [`mqtt`] reads a group of publishes and hands it to the [`daemon`], which calls
//! [`Relay::receive`](relay::Relay::receive) for each. The record is copied once, into the [`relay::arena`], or answered with a
//! `fail` status. When its batch is due, [`Relay::poll_send`](relay::Relay::poll_send) cuts it; `daemon::uplink` runs
//! [`firehose::request`] over it twice, once for the signature ([`firehose::sign`]) and once for the socket
//! ([`http`]). [`firehose::reply`] reads the answer, and [`Relay::handle_outcome`](relay::Relay::handle_outcome)
//! turns it into statuses, which leave through [`Relay::next_status`](relay::Relay::next_status), or puts the record at the end of its queue.
//! With its end the publish is safe ([`relay::window`]), and the broker's side is told to acknowledge it.
//!
//! The [`doctor`] goes the same way once, without a record, and says how far it came: `check --online`.
//!
//! # The rooms
//!
//! Each uses those below it only, and two of one floor do not know each other; `scripts/layers` checks it.
//!
//! | Floor | What it does |
//! |---|---|
//! | `main` | reads the command line, then checks or runs |
//! | [`daemon`], [`doctor`] | the loop that owns the relay; the same way once, step by step |
//! | [`prepare`] | everything that can be judged before the first connection |
//! | [`credentials`] | where keys come from, in the order of the SDKs, and how they are kept fresh |
//! | [`http`], [`mqtt`], `greengrass` | requests and their answers; the broker's session; the same by the IPC of Greengrass |
//! | [`transport`] | names, proxies, TCP, TLS |
//! | [`sandbox`], [`memory`], [`log_output`], [`cli`] | isolation; the plan of `MemorySize`; lines of the log; words of the command line |
//! | [`config`] | what the process was told |
//! | [`firehose`], [`source`] | the bytes of the two calls, signed; what a source of publishes and the daemon say to each other |
//! | [`relay`] | the core: what is held, what is sent when, what is answered |
//! | [`error_chain`], [`clock`], [`log_limit`], [`random`], [`foreign`] | an error and its causes as text; the time; spared lines; jitter; text from outside on its way into messages |
//! | [`limits`] | every bound, with unit and source |
//! | [`time`] | instants and durations of the core |
//!
//! # The rules
//!
//! - [`relay`] and [`firehose`] do no I/O and have no clock. They take bytes and a time and return bytes and a deadline.
//! - What comes from outside gets into a message through [`foreign`] only, and every message is one line.
//! - Every bound is in [`limits`], and [`memory`] shows how they add up to `MemorySize`.
//! - One loop owns the relay. Tasks speak through bounded channels.
//! - Before the first connection the process gives up what it has no use for.

#![forbid(unsafe_code)]

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
#[cfg(test)]
pub(crate) mod test_support;
pub mod time;
pub mod transport;
