//! The way to a peer: its name, its addresses, a proxy before it, and TLS.

pub mod connect;
pub mod names;
pub mod route;
pub mod tls;
