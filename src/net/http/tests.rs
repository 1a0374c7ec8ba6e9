//! The connection task against a server on loopback.
