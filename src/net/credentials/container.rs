//! The container credentials endpoint: ECS, EKS, and Greengrass V2's token exchange service.

use core::{error, fmt};
use std::{io, path::PathBuf};

use http::{HeaderValue, Request, StatusCode, header};

use super::reply::{self, Fields, ReplyError};
use crate::{
    config::{ContainerAuthorization, ContainerSettings, bounded_file},
    firehose::credentials::Credentials,
    limits::credentials as limits,
    net::{
        fetch::{FetchError, fetch},
        names::Names,
        tls::Tls,
    },
};

pub(super) const VARIABLES: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI";

const FIELDS: Fields = Fields {
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "Token",
    expiration: "Expiration",
};

pub(super) async fn credentials(
    settings: &ContainerSettings,
    names: &Names,
    tls: &Tls,
) -> Result<Credentials, ContainerError> {
    let mut request = Request::get(&settings.path).header(header::ACCEPT, "application/json");
    if let Some(authorization) = &settings.authorization {
        request = request.header(header::AUTHORIZATION, header_value(authorization)?);
    }
    let request = request.body(String::new()).map_err(ContainerError::BadPath)?;
    let reply = fetch(names, &settings.endpoint, tls, request).await.map_err(ContainerError::Fetch)?;
    let authority = || settings.endpoint.authority();
    if reply.status != StatusCode::OK {
        let text = excerpt(&reply.body);
        return Err(ContainerError::Refused { authority: authority(), status: reply.status, text });
    }
    reply::parse(&reply.body, &FIELDS).map_err(|cause| ContainerError::NotCredentials { authority: authority(), cause })
}

fn header_value(authorization: &ContainerAuthorization) -> Result<HeaderValue, ContainerError> {
    let (variable, value) = match authorization {
        ContainerAuthorization::Token(token) => {
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", HeaderValue::from_str(token.expose()))
        }
        ContainerAuthorization::TokenFile(path) => {
            let text = bounded_file::read_text(path, limits::MAX_TOKEN_FILE)
                .map_err(|cause| ContainerError::TokenFile { path: path.clone(), cause })?;
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", HeaderValue::from_str(text.trim_end()))
        }
    };
    let mut value = value.map_err(|_| ContainerError::BadToken { variable })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The beginning of a refusal, fit for one line of a log.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(limits::MAX_REFUSAL_TEXT).collect()
}

/// Why the endpoint gave no credentials.
#[derive(Debug)]
pub enum ContainerError {
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` cannot be read.
    TokenFile {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        cause: io::Error,
    },
    /// The token has line ends or other characters that no header can carry.
    BadToken {
        /// Where it comes from.
        variable: &'static str,
    },
    /// The path of the URI cannot be requested.
    BadPath(http::Error),
    /// No reply.
    Fetch(FetchError),
    /// A reply with a status other than 200.
    Refused {
        /// Host and port asked.
        authority: String,
        /// The status.
        status: StatusCode,
        /// The beginning of the body.
        text: String,
    },
    /// A reply with status 200 and something else in it.
    NotCredentials {
        /// Host and port asked.
        authority: String,
        /// What is wrong with it.
        cause: ReplyError,
    },
}

impl fmt::Display for ContainerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenFile { path, .. } => {
                write!(f, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: {} cannot be read", path.display())
            }
            Self::BadToken { variable } => {
                write!(f, "{variable} must hold printable ASCII characters only, and no line end")
            }
            Self::BadPath(_) => write!(f, "{VARIABLES} has a path that cannot be requested"),
            Self::Fetch(error) => write!(f, "credentials endpoint {error}"),
            Self::Refused { authority, status, text } => {
                write!(f, "credentials endpoint {authority} answers {}", status.as_u16())?;
                if matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    f.write_str(" (check AWS_CONTAINER_AUTHORIZATION_TOKEN or its file)")?;
                }
                if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
            }
            Self::NotCredentials { authority, .. } => {
                write!(f, "credentials endpoint {authority} answers with something else than credentials")
            }
        }
    }
}

impl error::Error for ContainerError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::TokenFile { cause, .. } => Some(cause),
            Self::BadPath(cause) => Some(cause),
            Self::Fetch(error) => error.source(),
            Self::NotCredentials { cause, .. } => Some(cause),
            Self::BadToken { .. } | Self::Refused { .. } => None,
        }
    }
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
