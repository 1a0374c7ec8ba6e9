//! Connections to a peer: its name, its addresses, a proxy, and TLS.
//!
//! Each of these uses only those after it: [`connect`], [`route`], [`names`], `failure`, [`tls`].

pub mod connect;
mod failure;
pub mod names;
pub mod route;
pub mod tls;
