//! Requests to endpoints for credentials: what all of them have in common.

use core::{error, fmt};

use http::{Request, StatusCode, request};

use super::reply::{ReplyError, object};
use crate::{
    config::EndpointUrl,
    foreign::foreign,
    http::ChunkBody,
    http::fetch::{FetchError, fetch},
    limits::credentials as limits,
    transport::route::Route,
    transport::tls::Tls,
};

/// The body of the endpoint's answer; any status but 200 is an error.
///
/// `hint`: the setting to check when it refuses (401, 403).
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
            text: complaint(&reply.body),
        });
    }
    Ok(reply.body)
}

/// The text of a refusal, for a message. Some refusals repeat credentials or our request, which are not yet known as
/// secrets. So of JSON only error code and message are shown, and of any other text only words.
pub(super) fn complaint(text: &[u8]) -> String {
    if let Ok(object) = object(text) {
        let member = |name| serde_json::from_str::<String>(object.get(name)?.get()).ok();
        // A single word, such as `AssumeRoleUnauthorizedAccess`.
        let is_code = |code: &String| code.len() <= CODE && code.bytes().all(|byte| byte.is_ascii_alphabetic());
        let codes = ["code", "Code"].into_iter().filter_map(member).filter(is_code);
        let messages = ["message", "Message"].into_iter().filter_map(member).map(|message| prose(&message));
        return codes.chain(messages).collect::<Vec<_>>().join(": ");
    }
    prose(&String::from_utf8_lossy(text))
}

/// Most letters of an error code that are shown; the SDKs know no longer one.
const CODE: usize = 48;

/// The words of a text, and an ellipsis for what could be a key.
fn prose(text: &str) -> String {
    let mut shown = String::new();
    for word in text.split_whitespace() {
        if shown.len() + word.len() >= limits::MAX_REFUSAL_TEXT {
            break;
        }
        match (is_of_prose(word), shown.ends_with('…')) {
            (true, _) => shown.extend([if shown.is_empty() { "" } else { " " }, word]),
            (false, false) => shown.push('…'),
            (false, true) => {}
        }
    }
    foreign(&shown)
}

/// Whether this is a word, a number, an address or a path, and cannot be a key: long ones are of letters only, all in
/// one case except the first, and no longer than words are.
fn is_of_prose(word: &str) -> bool {
    const SHORT: usize = 8;
    const LONG: usize = 16;
    let is_plain = |part: &str| {
        let rest = part.get(1..).unwrap_or_default();
        let is_word = part.len() <= LONG && rest.bytes().all(|b| b.is_ascii_lowercase());
        part.len() < SHORT || is_word || part.len() <= LONG && part.bytes().all(|b| b.is_ascii_digit())
    };
    word.bytes().all(|b| b.is_ascii_alphanumeric() || b".,:;!?()'/-_".contains(&b))
        && word.split(|c: char| !c.is_ascii_alphanumeric()).all(is_plain)
}

/// Why the endpoint gave no credentials.
#[derive(Debug)]
pub enum EndpointError {
    /// The path of the URI cannot be requested.
    BadPath(http::Error),
    /// There was no reply.
    Fetch(FetchError),
    /// A reply with a status other than 200.
    Refused {
        /// Host and port asked.
        authority: String,
        /// The status.
        status: StatusCode,
        /// The setting to check.
        hint: &'static str,
        /// Its text, as far as that can be shown.
        text: String,
    },
    /// A reply with status 200 that does not contain credentials.
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
