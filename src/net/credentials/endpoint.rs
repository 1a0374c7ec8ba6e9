//! Asking an endpoint for credentials: what all of them have in common.

use core::{error, fmt};

use http::{Request, StatusCode, request};

use super::reply::ReplyError;
use crate::{
    config::EndpointUrl,
    limits::credentials as limits,
    net::{
        fetch::{FetchError, fetch},
        http::ChunkBody,
        route::Route,
        tls::Tls,
    },
};

/// What an endpoint answers; any status but 200 is an error.
///
/// `hint`: what to look at when it refuses (401, 403).
pub(super) async fn ask(
    route: &Route,
    endpoint: &EndpointUrl,
    tls: &Tls,
    request: request::Builder,
    hint: &'static str,
) -> Result<Vec<u8>, EndpointError> {
    let request: Request<ChunkBody> = request.body(ChunkBody::default()).map_err(EndpointError::BadPath)?;
    let reply = fetch(route, endpoint, tls, request).await.map_err(EndpointError::Fetch)?;
    if reply.status != StatusCode::OK {
        let is_refused = matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        return Err(EndpointError::Refused {
            authority: endpoint.authority(),
            status: reply.status,
            hint: if is_refused { hint } else { "" },
            text: excerpt(&reply.body),
        });
    }
    Ok(reply.body)
}

/// The beginning of a text of somebody else's, fit for one line of a log.
pub(super) fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let printable = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(limits::MAX_REFUSAL_TEXT).collect()
}

/// Why the endpoint gave no credentials.
#[derive(Debug)]
pub enum EndpointError {
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
        /// What to look at.
        hint: &'static str,
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

impl EndpointError {
    pub(super) fn not_credentials(endpoint: &EndpointUrl) -> impl FnOnce(ReplyError) -> Self {
        let authority = endpoint.authority();
        |cause| Self::NotCredentials { authority, cause }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPath(_) => f.write_str("credentials endpoint has a path that cannot be requested"),
            Self::Fetch(error) => write!(f, "credentials endpoint {error}"),
            Self::Refused { authority, status, hint, text } => {
                write!(f, "credentials endpoint {authority} answers {}", status.as_u16())?;
                if !hint.is_empty() {
                    write!(f, " ({hint})")?;
                }
                if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
            }
            Self::NotCredentials { authority, .. } => {
                write!(f, "credentials endpoint {authority} answers with something else than credentials")
            }
        }
    }
}

impl error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::BadPath(cause) => Some(cause),
            Self::Fetch(error) => error.source(),
            Self::NotCredentials { cause, .. } => Some(cause),
            Self::Refused { .. } => None,
        }
    }
}
