//! The role of an EC2 instance, from the instance metadata service, version 2 (IMDSv2): a token first, then the name of
//! the role, then its credentials.
//!
//! The last source, asked when nothing else is configured. Most devices are not instances, and find that out quickly.

use core::{error, fmt};

use http::Request;
use tokio::time::timeout;

use super::{
    endpoint::{EndpointError, ask},
    printable::is_printable,
    reply::{self, Fields, ReplyError},
};
use crate::{
    config::EndpointUrl,
    firehose::credentials::Credentials,
    limits::credentials::{EC2_TIMEOUT, EC2_TOKEN_SECONDS},
    transport::route::Route,
    transport::tls::Tls,
};

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(super) const FIELDS: Fields = Fields {
    marker: Some(("Code", "\"Success\"")),
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "Token",
    expiration: "Expiration",
};

pub(super) async fn credentials(endpoint: &EndpointUrl, route: &Route, tls: &Tls) -> Result<Credentials, Ec2Error> {
    timeout(EC2_TIMEOUT, of_the_role(endpoint, route, tls)).await.map_err(|_| Ec2Error::TimedOut)?
}

async fn of_the_role(endpoint: &EndpointUrl, route: &Route, tls: &Tls) -> Result<Credentials, Ec2Error> {
    let seconds = Request::put("/latest/api/token").header("x-aws-ec2-metadata-token-ttl-seconds", EC2_TOKEN_SECONDS);
    let token = ask(route, endpoint, tls, seconds, "").await.map_err(Ec2Error::Endpoint)?;
    let get = |path: String| Request::get(path).header("x-aws-ec2-metadata-token", &*token);
    let roles = ask(route, endpoint, tls, get(ROLES.to_owned()), "").await.map_err(Ec2Error::Endpoint)?;
    let role = core::str::from_utf8(&roles).ok().and_then(|roles| roles.lines().next()).filter(|role| is_name(role));
    let role = role.ok_or(Ec2Error::NoRole)?;
    let reply = ask(route, endpoint, tls, get(format!("{ROLES}{role}")), "").await.map_err(Ec2Error::Endpoint)?;
    let not_credentials = |cause: ReplyError| EndpointError::not_credentials(endpoint)(cause);
    reply::parse(&reply, &FIELDS).map_err(not_credentials).map_err(Ec2Error::Endpoint)
}

/// Whether `name` can be part of a path.
fn is_name(role: &str) -> bool {
    !role.is_empty() && is_printable(role) && !role.contains([' ', '/', '?', '#', '%'])
}

/// Why the instance metadata service gave no credentials.
#[derive(Debug)]
pub enum Ec2Error {
    /// No answer within [`EC2_TIMEOUT`].
    TimedOut,
    /// The instance has no role.
    NoRole,
    /// The service did not answer with credentials.
    Endpoint(EndpointError),
}

impl fmt::Display for Ec2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer, so this is no EC2 instance"),
            Self::NoRole => f.write_str("the EC2 instance has no role"),
            Self::Endpoint(error) => error.fmt(f),
        }
    }
}

impl error::Error for Ec2Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Endpoint(error) => error.source(),
            Self::TimedOut | Self::NoRole => None,
        }
    }
}

#[cfg(test)]
mod tests;
