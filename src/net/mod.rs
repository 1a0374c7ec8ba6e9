//! Everything that waits.
pub mod bounded_file;
pub mod connect;
pub mod credentials;
pub mod fetch;
#[cfg(test)]
mod test_support;
pub mod tls;
