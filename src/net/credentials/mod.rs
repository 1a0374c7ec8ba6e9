//! Where the keys for signing come from: the sources of the AWS SDKs in their order, and a task that keeps them fresh.
//!
//! The first source that is configured decides: if it fails, the next one is not asked, because requests signed as
//! somebody else fail in more confusing ways. Each source is one file.

mod container;
mod environment;
mod profile;
mod refresh;
mod reply;
mod schedule;

pub use container::ContainerError;
pub use profile::{Fault, ProfileError};
pub use refresh::keep_fresh;
pub use reply::ReplyError;
pub use schedule::Schedule;

use core::{error, fmt};

use crate::{
    config::CredentialSettings,
    firehose::credentials::Credentials,
    net::{names::Names, tls::Tls},
};

/// Credentials and where they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What to sign with.
    pub credentials: Credentials,
    /// For the log.
    pub source: &'static str,
}

/// The chain of sources.
#[derive(Debug)]
pub struct Provider {
    settings: CredentialSettings,
    names: Names,
    tls: Tls,
}

impl Provider {
    /// Asks the sources that `settings` name, over `tls` ([`Tls::for_service`]) where they are behind `https`.
    #[must_use]
    pub const fn new(settings: CredentialSettings, names: Names, tls: Tls) -> Self {
        Self { settings, names, tls }
    }

    /// The credentials of the first source that is configured, read or requested anew.
    ///
    /// # Errors
    /// That source fails, or none is configured; see [`CredentialsError`]. Ends within
    /// [`FETCH_TIMEOUT`](crate::limits::credentials::FETCH_TIMEOUT).
    pub async fn fetch(&self) -> Result<Fetched, CredentialsError> {
        if let Some(keys) = &self.settings.environment {
            return Ok(Fetched { credentials: environment::credentials(keys), source: "environment" });
        }
        if let Some(credentials) = profile::credentials(&self.settings).map_err(CredentialsError::Profile)? {
            return Ok(Fetched { credentials, source: "shared profile" });
        }
        if let Some(settings) = &self.settings.container {
            let credentials =
                container::credentials(settings, &self.names, &self.tls).await.map_err(CredentialsError::Container)?;
            return Ok(Fetched { credentials, source: "container endpoint" });
        }
        Err(CredentialsError::NotConfigured(self.looked_at()))
    }

    fn looked_at(&self) -> String {
        let CredentialSettings { profile, credentials_file, config_file, .. } = &self.settings;
        let file = |path: &Option<std::path::PathBuf>, variable| match path {
            Some(path) => format!("{} ({variable})", path.display()),
            None => format!("{variable} or HOME"),
        };
        format!(
            "{}; keys of profile {profile:?} in {} or {}; {}",
            environment::VARIABLES,
            file(credentials_file, "AWS_SHARED_CREDENTIALS_FILE"),
            file(config_file, "AWS_CONFIG_FILE"),
            container::VARIABLES
        )
    }
}

/// Whether `text` can be signed with and sent as a header.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Why there are no credentials.
#[derive(Debug)]
pub enum CredentialsError {
    /// The shared files are there and cannot be used.
    Profile(ProfileError),
    /// The container endpoint is configured and gives none.
    Container(ContainerError),
    /// No source is configured; this was looked at.
    NotConfigured(String),
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(error) => error.fmt(f),
            Self::Container(error) => error.fmt(f),
            Self::NotConfigured(looked_at) => write!(f, "no AWS credentials, provide one of: {looked_at}"),
        }
    }
}

impl error::Error for CredentialsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Profile(error) => error.source(),
            Self::Container(error) => error.source(),
            Self::NotConfigured(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
