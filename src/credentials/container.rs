//! The container credentials endpoint: ECS, EKS, and Greengrass V2's token exchange service.

use core::{error, fmt};
use std::{io, path::PathBuf};

use http::{HeaderValue, Request, header};

use super::{
    endpoint::{EndpointError, ask},
    printable::is_printable,
    reply::{self, Fields},
};
use crate::{
    config::{ContainerAuthorization, ContainerSettings, bounded_file},
    firehose::credentials::Credentials,
    foreign::{Secret, file_name},
    limits::credentials as limits,
    sandbox::explained,
    transport::route::Route,
    transport::tls::Tls,
};

pub(super) const VARIABLES: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI";

pub(super) const FIELDS: Fields = Fields {
    marker: None,
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "Token",
    expiration: "Expiration",
};

pub(super) async fn credentials(
    settings: &ContainerSettings,
    route: &Route,
    tls: &Tls,
) -> Result<Credentials, ContainerError> {
    const HINT: &str = "check AWS_CONTAINER_AUTHORIZATION_TOKEN or its file";
    let mut request = Request::get(&settings.path).header(header::ACCEPT, "application/json");
    // Kept secret until the answer has been read, which may repeat it.
    let token = settings.authorization.as_ref().map(token).transpose()?;
    if let Some((variable, token)) = &token {
        let token = Some(token.expose()).filter(|token| !token.is_empty() && is_printable(token));
        let value = token.and_then(|token| HeaderValue::from_str(token).ok());
        let mut value = value.ok_or(ContainerError::BadToken { variable })?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let reply = ask(route, &settings.endpoint, tls, request, HINT).await.map_err(ContainerError::Endpoint)?;
    reply::parse(&reply, &FIELDS)
        .map_err(EndpointError::not_credentials(&settings.endpoint))
        .map_err(ContainerError::Endpoint)
}

/// The token, and the variable that gave it.
pub(super) fn token(authorization: &ContainerAuthorization) -> Result<(&'static str, Secret), ContainerError> {
    match authorization {
        ContainerAuthorization::Token(token) => Ok(("AWS_CONTAINER_AUTHORIZATION_TOKEN", token.clone())),
        ContainerAuthorization::TokenFile(path) => {
            let text = bounded_file::read_text(path, limits::MAX_TOKEN_FILE)
                .map_err(|cause| ContainerError::TokenFile { path: path.clone(), cause: explained(path, cause) })?;
            let token = text.trim_start_matches(bounded_file::BYTE_ORDER_MARK).trim_end();
            Ok(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Secret::new(token)))
        }
    }
}

/// Why the endpoint gave no credentials.
#[derive(Debug)]
pub enum ContainerError {
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` cannot be read.
    TokenFile {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        cause: io::Error,
    },
    /// The token contains line ends or other characters that are not allowed in a header.
    BadToken {
        /// The variable that gave it.
        variable: &'static str,
    },
    /// The endpoint did not answer with credentials.
    Endpoint(EndpointError),
}

impl fmt::Display for ContainerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenFile { path, .. } => {
                f.write_str("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ")?;
                if bounded_file::is_a_name(path) {
                    write!(f, "{} cannot be read", file_name(path))
                } else {
                    f.write_str("no file has this name, which is not shown, because it may be the token itself")
                }
            }
            Self::BadToken { variable } => {
                write!(f, "{variable} must hold printable ASCII characters only, and no line end")
            }
            Self::Endpoint(error) => error.fmt(f),
        }
    }
}

impl error::Error for ContainerError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::TokenFile { cause, .. } => Some(cause),
            Self::Endpoint(error) => error.source(),
            Self::BadToken { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
