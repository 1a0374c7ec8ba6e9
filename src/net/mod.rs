//! Everything that waits.
pub mod bounded_file;
pub mod clock;
pub mod connect;
pub mod credentials;
pub mod fetch;
pub mod http;
pub mod mqtt;
#[cfg(test)]
mod test_support;
pub mod tls;
