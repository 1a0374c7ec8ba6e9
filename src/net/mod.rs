//! Everything that waits.
pub mod bounded_file;
pub mod connect;
#[cfg(test)]
mod test_support;
pub mod tls;
