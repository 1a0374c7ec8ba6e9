//! Why there are no credentials.

use core::{error, fmt};

use super::container::ContainerError;
use super::ec2::Ec2Error;
use super::iot::IotError;
use super::process::ProcessError;
use super::profile::ProfileError;

/// Why there are no credentials.
#[derive(Debug)]
pub enum CredentialsError {
    /// The AWS IoT credentials provider is configured and gave none.
    Iot(IotError),
    /// The shared files cannot be used.
    Profile(ProfileError),
    /// The profile names a process, which gave none.
    Process(ProcessError),
    /// The profile names a process, and isolation forbids to start one.
    ProcessInIsolation,
    /// The container endpoint is configured and gave none.
    Container(ContainerError),
    /// This variable asks for a web identity, which is not supported, and nothing else is configured.
    WebIdentity(&'static str),
    /// No source is configured.
    NotConfigured {
        /// What was tried.
        looked_at: String,
        /// Why the EC2 metadata service gave none; `None`: it was not asked.
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
            Self::WebIdentity(variable) => {
                write!(
                    f,
                    "{variable} asks for a web identity, which is not supported: configure another source of \
                     credentials"
                )
            }
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
            Self::ProcessInIsolation | Self::WebIdentity(_) => None,
        }
    }
}
