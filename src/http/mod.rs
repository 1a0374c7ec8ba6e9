//! HTTP/1.1 to the service and to endpoints that give credentials.
//!
//! [`serve()`] sends requests whose bodies come chunk by chunk: its task emits [`Event::WantsChunk`], and the owner of
//! the records sends one. [`fetch`] is for a small request and its answer. Both use the same `Connection`.

mod body;
mod connection;
mod error;
pub mod fetch;
mod progress;
mod request;
mod serve;
pub mod tally;

pub(crate) use body::ChunkBody;
pub use error::SendError;
pub use request::{Event, Reply, Request};
pub use serve::{serve, serve_over};
