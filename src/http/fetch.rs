//! A small HTTP/1.1 request on a connection of its own, for endpoints that give credentials.
//!
//! `limits::credentials` bounds its time and size. No redirects, no retries, no cookies.

use core::{error, fmt};

use http::{HeaderValue, Request, StatusCode, header};
use tokio::time::timeout;

use super::body::ChunkBody;
use super::connection::{Connection, Failure};
use crate::{
    config::EndpointUrl,
    limits::credentials as limits,
    transport::connect::{Buffers, ConnectError, TlsFailure},
    transport::route::Route,
    transport::tls::Tls,
};

/// An answer, with any status.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The endpoint's content.
    pub status: StatusCode,
    /// At most [`limits::MAX_REPLY`] bytes. May hold secrets.
    pub body: Vec<u8>,
}

/// Sends `request` to `endpoint` and reads the whole reply; `tls` is for endpoints with `https`.
///
/// `Host` and `Connection: close` are set here; the request's URI is a path with an optional query.
///
/// # Errors
/// No connection, no HTTP, a reply that is too large, or too slow; see [`FetchError`].
pub(crate) async fn fetch(
    route: &Route,
    endpoint: &EndpointUrl,
    tls: &Tls,
    request: Request<ChunkBody>,
) -> Result<Reply, FetchError> {
    let exchange = exchange(route, endpoint, tls, request);
    let authority = endpoint.authority();
    let failure = match timeout(limits::FETCH_TIMEOUT, exchange).await {
        Ok(Ok(reply)) => return Ok(reply),
        Ok(Err(failure)) => failure,
        Err(_) => return Err(FetchError::TimedOut { authority }),
    };
    Err(match failure {
        Failure::Connect(cause) => FetchError::Connect(cause),
        Failure::NotSent(_, cause) | Failure::Broken(cause) => FetchError::Http { authority, cause },
        Failure::TooLong => FetchError::TooLarge { authority },
    })
}

async fn exchange(
    route: &Route,
    endpoint: &EndpointUrl,
    tls: &Tls,
    mut request: Request<ChunkBody>,
) -> Result<Reply, Failure> {
    let headers = request.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    // A name that is not allowed in a header cannot be resolved either, so connecting fails below.
    if let Ok(host) = HeaderValue::from_str(&endpoint.authority()) {
        headers.insert(header::HOST, host);
    }
    let mut connection = Connection::open(endpoint, route, tls, Buffers::default(), limits::HTTP_BUFFER).await?;
    let (head, body) = connection.send(request, limits::MAX_REPLY).await?.into_parts();
    Ok(Reply { status: head.status, body })
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum FetchError {
    /// The connection could not be established.
    Connect(ConnectError),
    /// The peer's answer is not HTTP, or ends too early.
    Http {
        /// Host and port asked.
        authority: String,
        /// The error of hyper.
        cause: hyper::Error,
    },
    /// It took longer than [`limits::FETCH_TIMEOUT`].
    TimedOut {
        /// Host and port asked.
        authority: String,
    },
    /// The answer is longer than [`limits::MAX_REPLY`].
    TooLarge {
        /// Host and port asked.
        authority: String,
    },
}

/// Finds a refusal of our certificate, which with TLS 1.3 may arrive only with the answer.
fn tls_failure(error: &hyper::Error) -> Option<TlsFailure> {
    TlsFailure::of(error::Error::source(error)?.downcast_ref()?)
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Http { authority, cause } => match tls_failure(cause) {
                Some(failure) => write!(f, "{authority} {failure}"),
                None => write!(f, "{authority} does not answer in HTTP"),
            },
            Self::TimedOut { authority } => {
                write!(f, "{authority} takes longer than {} s to answer", limits::FETCH_TIMEOUT.as_secs())
            }
            Self::TooLarge { authority } => {
                write!(f, "{authority} answers with more than {} bytes", limits::MAX_REPLY)
            }
        }
    }
}

impl error::Error for FetchError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::Http { cause, .. } => Some(cause),
            Self::TimedOut { .. } | Self::TooLarge { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        test_support::{Ca, serve_tls},
        transport::connect::ConnectFailure,
    };

    fn endpoint(tls: bool, host: &str, port: u16) -> EndpointUrl {
        EndpointUrl { tls, host: host.to_owned(), port }
    }

    #[tokio::test]
    async fn an_https_endpoint_is_asked_over_tls_with_the_bundle_for_aws() {
        let port = serve_tls(&Ca::new().issue("localhost", (2000, 2100)), None).await;
        let tls = Tls::for_service(None, &Clock::default()).unwrap();
        let request = Request::get("/").body(ChunkBody::default()).unwrap();
        let error = fetch(&Route::default(), &endpoint(true, "localhost", port), &tls, request).await.unwrap_err();
        let FetchError::Connect(connect) = &error else { panic!("{error:?}") };
        assert_eq!(connect.kind(), ConnectFailure::Tls(TlsFailure::UnknownIssuer));
        assert!(error.to_string().ends_with("name the PEM file of its CA in AWS_CA_BUNDLE"), "{error}");
    }
}
