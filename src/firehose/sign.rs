//! The headers of a signed request. The only user of `aws-sigv4`.

use core::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials as Identity;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;

use super::credentials::Credentials;
use super::request::Call;

/// Content type of the AWS JSON 1.1 protocol.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// A request to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// The API call.
    pub call: Call,
    /// Value of the `Host` header, with the port when it is not the default one.
    pub host: &'a str,
    /// Region to sign for.
    pub region: &'a str,
    /// SHA-256 of the body.
    pub body_sha256: [u8; 32],
}

/// One header of the request.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Lower case.
    pub name: &'static str,
    /// May be secret, so `Debug` does not show it.
    pub value: String,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a request could not be signed: credentials or host contain characters that are not allowed in a header.
#[derive(Debug)]
pub struct SignError(Box<dyn core::error::Error + Send + Sync>);

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request cannot be signed with these credentials")
    }
}

impl core::error::Error for SignError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// All headers of the request but `Content-Length`. `time` is the wall time to sign with.
///
/// # Errors
/// See [`SignError`].
pub fn headers(request: &Unsigned<'_>, credentials: &Credentials, time: SystemTime) -> Result<Vec<Header>, SignError> {
    let identity = Identity::new(
        &credentials.access_key_id,
        credentials.secret_access_key.expose(),
        credentials.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "firehose-connector",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name("firehose")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| SignError(error.into()))?;
    let plain = [("host", request.host), ("content-type", CONTENT_TYPE), ("x-amz-target", request.call.target())];
    let url = format!("https://{}/", request.host);
    let body = SignableBody::Precomputed(hex(&request.body_sha256));
    let signable =
        SignableRequest::new("POST", url, plain.into_iter(), body).map_err(|error| SignError(error.into()))?;
    let (instructions, _) = sign(signable, &params.into()).map_err(|error| SignError(error.into()))?.into_parts();
    let (signed, _) = instructions.into_parts();
    let plain = plain.into_iter().map(|(name, value)| Header { name, value: value.to_owned() });
    let signed = signed.into_iter().map(|header| Header { name: header.name(), value: header.value().to_owned() });
    Ok(plain.chain(signed).collect())
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _: fmt::Result = write!(text, "{byte:02x}");
        text
    })
}
