//! What the stand-in does wrong on purpose. One set is in force at a time; a new one replaces it whole, so `{}` heals.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A set of faults, as `POST /standin/faults` takes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    /// Every Nth record that arrives fails alone; 0: none.
    pub(crate) every_record: u64,
    /// `ErrorCode` of those records; empty: `ServiceUnavailableException`.
    pub(crate) record_code: String,
    /// Every Nth request fails as a whole; 0: none.
    pub(crate) every_request: u64,
    /// How those requests fail.
    pub(crate) request_fault: RequestFault,
    /// So does each with a record of this data.
    pub(crate) bad_record: Option<String>,
    /// Streams that answer every request with an error.
    pub(crate) streams: BTreeMap<String, CallError>,
    /// Access key ids whose requests are answered with an error.
    pub(crate) keys: BTreeMap<String, CallError>,
    /// Milliseconds before each answer.
    pub(crate) latency_ms: u64,
    /// Seconds that the service's clock is ahead of this machine's. Then it refuses signatures of another time, as it
    /// always does in truth.
    pub(crate) clock_ahead_s: i64,
    /// Connections are refused, and open ones cut.
    pub(crate) down: bool,
}

/// How a whole request fails. Its records are not accepted, except with `CutStored`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RequestFault {
    /// `InternalFailure`, status 500.
    #[default]
    Internal,
    /// `ServiceUnavailableException`, status 503.
    Unavailable,
    /// `ThrottlingException`, status 400.
    Throttling,
    /// A gateway's HTML page, status 502.
    BadGateway,
    /// No answer ever.
    Timeout,
    /// The connection is cut before the answer.
    Cut,
    /// The records are accepted, then the connection is cut before the answer: the client cannot know.
    CutStored,
    /// A captive portal: an HTML page, status 200.
    Portal,
    /// A reply for one record fewer than the request had.
    WrongLength,
    /// A reply of 32 MiB.
    Huge,
    /// Internal, unavailable, throttling, bad gateway and cut in turn.
    Mixed,
}

impl RequestFault {
    /// The fault for the `nth` failing request: itself, or one of the mix.
    pub(crate) fn pick(self, nth: u64) -> Self {
        const MIX: [RequestFault; 5] = [
            RequestFault::Internal,
            RequestFault::Unavailable,
            RequestFault::Throttling,
            RequestFault::BadGateway,
            RequestFault::Cut,
        ];
        match self {
            Self::Mixed => MIX[usize::try_from(nth).unwrap_or_default() % MIX.len()],
            fault => fault,
        }
    }
}

/// The service's own error for a whole request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallError {
    /// HTTP status, usually 400.
    #[serde(default = "bad_request")]
    pub(crate) status: u16,
    /// For instance `ResourceNotFoundException`; goes into `__type` and `x-amzn-errortype`.
    pub(crate) code: String,
    /// The sentence.
    pub(crate) message: String,
}

const fn bad_request() -> u16 {
    400
}
