//! Where the keys for signing come from: the sources of the AWS SDKs in their order, and a task that keeps them fresh.
//!
//! The first source that is configured decides: if it fails, the next one is not asked, because requests signed as
//! somebody else fail in more confusing ways. Each source is one file.

mod container;
mod date;
mod ec2;
mod endpoint;
mod environment;
mod error;
mod iot;
mod printable;
mod process;
mod profile;
mod provider;
mod refresh;
mod reply;
mod schedule;

pub use container::ContainerError;
pub use ec2::Ec2Error;
pub use endpoint::EndpointError;
pub use error::CredentialsError;
pub use iot::IotError;
pub use process::ProcessError;
pub use profile::{Fault, ProfileError};
pub use provider::{Fetched, Provider, Source};
pub use refresh::keep_fresh;
pub use reply::ReplyError;
pub use schedule::Schedule;

/// Reads what a source of credentials may answer, see [`crate::fuzz`]. No message repeats it.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    for fields in [&container::FIELDS, &ec2::FIELDS, &iot::FIELDS, &process::FIELDS] {
        match reply::parse(bytes, fields) {
            Ok(credentials) => assert!(!credentials.access_key_id.is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// Reads a shared file that anybody may have written, see [`crate::fuzz`].
#[cfg(any(test, fuzzing))]
pub fn fuzz_profile(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        profile::fuzz(text);
    }
}
