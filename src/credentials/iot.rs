//! The AWS IoT credentials provider: temporary credentials for devices with a certificate.
//!
//! The device shows its certificate (mutual TLS); the policy of the certificate allows `iot:AssumeRoleWithCertificate`
//! on a role alias, and the role behind that trusts `credentials.iot.amazonaws.com` (AWS IoT Core Developer Guide,
//! "Authorizing direct calls to AWS services").

use core::{error, fmt};

use http::Request;

use super::{
    endpoint::{EndpointError, ask},
    reply::{self, Fields},
};
use crate::{
    config::IotSettings,
    firehose::credentials::Credentials,
    transport::route::Route,
    transport::tls::{Tls, TlsError},
};

pub(super) const VARIABLES: &str = "FIREHOSE_CONNECTOR_IOT_ENDPOINT and FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS";

pub(super) const FIELDS: Fields = Fields {
    marker: None,
    access_key_id: "accessKeyId",
    secret_access_key: "secretAccessKey",
    session_token: "sessionToken",
    expiration: "expiration",
};

/// `tls` is the service's. The device certificate is read again each time, because it may have been renewed.
pub(super) async fn credentials(settings: &IotSettings, route: &Route, tls: &Tls) -> Result<Credentials, IotError> {
    const HINT: &str = "check that the certificate is active, that its policy allows iot:AssumeRoleWithCertificate on \
        the role alias, and that FIREHOSE_CONNECTOR_IOT_THING_NAME is the thing it is attached to";
    let tls = tls.as_device(&settings.client, settings.variables).map_err(IotError::Certificate)?;
    let mut request = Request::get(format!("/role-aliases/{}/credentials", settings.role_alias));
    if let Some(name) = &settings.thing_name {
        request = request.header("x-amzn-iot-thingname", name);
    }
    let reply = ask(route, &settings.endpoint, &tls, request, HINT).await.map_err(IotError::Endpoint)?;
    reply::field(&reply, "credentials")
        .and_then(|credentials| reply::parse(credentials, &FIELDS))
        .map_err(EndpointError::not_credentials(&settings.endpoint))
        .map_err(IotError::Endpoint)
}

/// Why the provider gave no credentials.
#[derive(Debug)]
pub enum IotError {
    /// The device certificate or its key cannot be used.
    Certificate(TlsError),
    /// The provider did not answer with credentials.
    Endpoint(EndpointError),
}

impl fmt::Display for IotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => error.fmt(f),
            Self::Endpoint(error) => error.fmt(f),
        }
    }
}

impl error::Error for IotError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Certificate(error) => error.source(),
            Self::Endpoint(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests;
