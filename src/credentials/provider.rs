//! The chain of sources: which one is asked, and what it gives.

use super::container::ContainerError;
use super::ec2::Ec2Error;
use super::error::CredentialsError;
use super::profile::Found;
use super::{container, ec2, environment, iot, process, profile};
use crate::config::{ContainerSettings, CredentialSettings, EndpointUrl, EnvironmentKeys, IotSettings};
use crate::firehose::credentials::Credentials;
use crate::foreign::file_name;
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// Credentials and where they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The keys.
    pub credentials: Credentials,
    /// The name of the source, for the log.
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
    /// Uses the sources in `settings`, with `tls` ([`Tls::for_service`]) for those behind `https`.
    #[must_use]
    pub const fn new(settings: CredentialSettings, route: Route, tls: Tls) -> Self {
        Self { settings, route, tls }
    }

    /// The credentials of the first source that is configured, read or requested again.
    ///
    /// # Errors
    /// That source fails, or none is configured; see [`CredentialsError`]. Ends within
    /// [`FETCH_TIMEOUT`](crate::limits::credentials::FETCH_TIMEOUT).
    pub async fn fetch(&self) -> Result<Fetched, CredentialsError> {
        let Self { settings, route, tls } = self;
        let source = Source::of(settings)?;
        let name = source.name();
        let credentials = match source {
            Source::Environment(keys) => environment::credentials(keys),
            Source::Iot(settings) => iot::credentials(settings, route, tls).await.map_err(CredentialsError::Iot)?,
            Source::Profile(credentials) => credentials,
            Source::Process(command) => process::credentials(&command).await.map_err(CredentialsError::Process)?,
            Source::Container(settings) => {
                container::credentials(settings, route, tls).await.map_err(CredentialsError::Container)?
            }
            Source::Ec2(endpoint) => ec2::credentials(endpoint, route, tls)
                .await
                .map_err(|error| not_configured(settings, Some(Box::new(error))))?,
        };
        Ok(Fetched { credentials, source: name })
    }
}

/// The first source that is configured.
#[derive(Debug)]
pub enum Source<'a> {
    /// Keys in the environment.
    Environment(&'a EnvironmentKeys),
    /// The AWS IoT credentials provider.
    Iot(&'a IotSettings),
    /// Keys of a profile.
    Profile(Credentials),
    /// A command that a profile names.
    Process(String),
    /// A container endpoint.
    Container(&'a ContainerSettings),
    /// An EC2 instance's metadata: nothing else is configured.
    Ec2(&'a EndpointUrl),
}

impl<'a> Source<'a> {
    /// Decides by the settings and the profile's files, without any request.
    ///
    /// # Errors
    /// No source is configured, or a named one cannot be used; see [`CredentialsError`].
    pub fn of(settings: &'a CredentialSettings) -> Result<Self, CredentialsError> {
        if let Some(keys) = &settings.environment {
            return Ok(Self::Environment(keys));
        }
        if let Some(settings) = &settings.iot {
            return Ok(Self::Iot(settings));
        }
        match profile::found(settings).map_err(CredentialsError::Profile)? {
            Some(Found::Keys(credentials)) => return Ok(Self::Profile(credentials)),
            Some(Found::Process(command)) if settings.may_run_processes => return Ok(Self::Process(command)),
            Some(Found::Process(_)) => return Err(CredentialsError::ProcessInIsolation),
            None => {}
        }
        let container = settings.container.as_ref().map(Self::Container);
        // With a web identity configured, an instance's role would be the wrong identity.
        if let (None, false, Some(variable)) = (&container, settings.asks_ec2(), settings.web_identity) {
            return Err(CredentialsError::WebIdentity(variable));
        }
        let source = container.or_else(|| settings.ec2.as_ref().map(Self::Ec2));
        source.ok_or_else(|| not_configured(settings, None))
    }

    /// What is wrong now with a file that this source reads for each use.
    #[must_use]
    pub fn fault(&self) -> Option<ContainerError> {
        match self {
            Self::Container(ContainerSettings { authorization: Some(authorization), .. }) => {
                container::token(authorization).err()
            }
            _ => None,
        }
    }

    /// Its name in messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Environment(_) => "environment",
            Self::Iot(_) => "AWS IoT credentials provider",
            Self::Profile(_) => "shared profile",
            Self::Process(_) => "credential_process",
            Self::Container(_) => "container endpoint",
            Self::Ec2(_) => "EC2 instance metadata",
        }
    }
}

fn not_configured(settings: &CredentialSettings, ec2: Option<Box<Ec2Error>>) -> CredentialsError {
    let CredentialSettings { profile, credentials_file, config_file, .. } = settings;
    let file = |path: &Option<std::path::PathBuf>, variable: &str| match path {
        Some(path) => format!("{} ({variable})", file_name(path)),
        None => variable.to_owned(),
    };
    let looked_at = format!(
        "{}; {}; keys of profile {profile:?} in {} or {}; {}",
        environment::VARIABLES,
        iot::VARIABLES,
        file(credentials_file, "AWS_SHARED_CREDENTIALS_FILE"),
        file(config_file, "AWS_CONFIG_FILE"),
        container::VARIABLES
    );
    CredentialsError::NotConfigured { looked_at, ec2 }
}

#[cfg(test)]
mod tests;
