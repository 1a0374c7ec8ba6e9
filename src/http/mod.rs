//! HTTP/1.1 to the service and to endpoints that hand out credentials.
//!
//! [`serve()`] sends requests whose bodies come chunk by chunk: its task says [`Event::WantsChunk`], and whoever owns the
//! records sends one. [`fetch`] is for a small request and its reply. Both are made of the same `Connection`.

mod body;
mod connection;
mod error;
pub mod fetch;
mod request;
mod serve;
pub mod tally;
mod watched;

pub(crate) use body::ChunkBody;
pub use error::SendError;
pub use request::{Event, Reply, Request};
pub use serve::{serve, serve_over};
