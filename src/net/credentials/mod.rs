//! Where the keys for signing come from: the sources of the AWS SDKs in their order, and a task that keeps them fresh.
//!
//! The first source that is configured decides: if it fails, the next one is not asked, because requests signed as
//! somebody else fail in more confusing ways. Each source is one file.

mod container;
mod date;
mod ec2;
mod endpoint;
mod environment;
mod iot;
mod process;
mod profile;
mod refresh;
mod reply;
mod schedule;

pub use container::ContainerError;
pub use ec2::Ec2Error;
pub use endpoint::EndpointError;
pub use iot::IotError;
pub use process::ProcessError;
use profile::Found;
pub use profile::{Fault, ProfileError};
pub use refresh::keep_fresh;
pub use reply::ReplyError;
pub use schedule::Schedule;

use core::{error, fmt};

use crate::{
    config::CredentialSettings,
    firehose::credentials::Credentials,
    net::{route::Route, tls::Tls},
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
    route: Route,
    tls: Tls,
}

impl Provider {
    /// Asks the sources that `settings` name, over `tls` ([`Tls::for_service`]) where they are behind `https`.
    #[must_use]
    pub const fn new(settings: CredentialSettings, route: Route, tls: Tls) -> Self {
        Self { settings, route, tls }
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
        if let Some(settings) = &self.settings.iot {
            let found = iot::credentials(settings, &self.route, &self.tls).await;
            return fetched("AWS IoT credentials provider", found.map_err(CredentialsError::Iot));
        }
        match profile::found(&self.settings).map_err(CredentialsError::Profile)? {
            Some(Found::Keys(credentials)) => return Ok(Fetched { credentials, source: "shared profile" }),
            Some(Found::Process(command)) if self.settings.may_run_processes => {
                let found = process::credentials(&command).await;
                return fetched("credential_process", found.map_err(CredentialsError::Process));
            }
            Some(Found::Process(_)) => return Err(CredentialsError::ProcessInIsolation),
            None => {}
        }
        if let Some(settings) = &self.settings.container {
            let found = container::credentials(settings, &self.route, &self.tls).await;
            return fetched("container endpoint", found.map_err(CredentialsError::Container));
        }
        let ec2 = match &self.settings.ec2 {
            Some(endpoint) => match ec2::credentials(endpoint, &self.route, &self.tls).await {
                Ok(credentials) => return Ok(Fetched { credentials, source: "EC2 instance metadata" }),
                Err(error) => Some(Box::new(error)),
            },
            None => None,
        };
        Err(CredentialsError::NotConfigured { looked_at: self.looked_at(), ec2 })
    }

    fn looked_at(&self) -> String {
        let CredentialSettings { profile, credentials_file, config_file, .. } = &self.settings;
        let file = |path: &Option<std::path::PathBuf>, variable| match path {
            Some(path) => format!("{} ({variable})", path.display()),
            None => format!("{variable} or HOME"),
        };
        format!(
            "{}; {}; keys of profile {profile:?} in {} or {}; {}",
            environment::VARIABLES,
            iot::VARIABLES,
            file(credentials_file, "AWS_SHARED_CREDENTIALS_FILE"),
            file(config_file, "AWS_CONFIG_FILE"),
            container::VARIABLES
        )
    }
}

fn fetched(source: &'static str, found: Result<Credentials, CredentialsError>) -> Result<Fetched, CredentialsError> {
    found.map(|credentials| Fetched { credentials, source })
}

/// Whether `text` can be signed with and sent as a header.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Why there are no credentials.
#[derive(Debug)]
pub enum CredentialsError {
    /// The AWS IoT credentials provider is configured and gives none.
    Iot(IotError),
    /// The shared files are there and cannot be used.
    Profile(ProfileError),
    /// The profile names a process, and it gives none.
    Process(ProcessError),
    /// The profile names a process, and this process may run none.
    ProcessInIsolation,
    /// The container endpoint is configured and gives none.
    Container(ContainerError),
    /// No source is configured.
    NotConfigured {
        /// This was looked at.
        looked_at: String,
        /// Why an EC2 instance has none either; `None`: it was not asked.
        ec2: Option<Box<Ec2Error>>,
    },
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iot(error) => error.fmt(f),
            Self::Profile(error) => error.fmt(f),
            Self::Process(error) => error.fmt(f),
            Self::ProcessInIsolation => f.write_str(
                "the profile has credential_process, and no process can be run in isolation: set IsolationMode, or \
                 FIREHOSE_CONNECTOR_ISOLATION_MODE, to NoContainer",
            ),
            Self::Container(error) => error.fmt(f),
            Self::NotConfigured { looked_at, ec2 } => {
                write!(f, "no AWS credentials, provide one of: {looked_at}")?;
                if ec2.is_some() { f.write_str("; EC2 instance metadata was asked") } else { Ok(()) }
            }
        }
    }
}

impl error::Error for CredentialsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Iot(error) => error.source(),
            Self::Profile(error) => error.source(),
            Self::Process(error) => error.source(),
            Self::Container(error) => error.source(),
            Self::NotConfigured { ec2, .. } => ec2.as_deref().map(|error| error as _),
            Self::ProcessInIsolation => None,
        }
    }
}

/// Reads what a source of credentials may say, see [`crate::fuzz`]. No message repeats it.
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

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
