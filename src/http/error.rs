//! Why a request got no answer.

use core::{error, fmt};

use crate::limits::{ANSWER, REPLY_BYTES, STALL};
use crate::transport::connect::ConnectError;

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError {
    /// The connection could not be established.
    Connect(ConnectError),
    /// No byte moved for [`STALL`].
    Stalled,
    /// The answer was not complete [`ANSWER`] after the request.
    Unanswered,
    /// The connection broke. The service may have taken the records.
    Broken(hyper::Error),
    /// The answer is longer than [`REPLY_BYTES`].
    ReplyTooLong,
    /// A new connection was closed before the request could be sent.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Stalled => write!(f, "the connection to the service moved no byte for {} s", STALL.as_secs()),
            Self::Unanswered => {
                write!(f, "the service's answer was not complete {} s after the request", ANSWER.as_secs())
            }
            Self::Broken(_) => f.write_str("the connection to the service broke"),
            Self::ReplyTooLong => write!(f, "the service's answer is longer than {REPLY_BYTES} bytes"),
            Self::Closed => f.write_str("the service closed the connection at once"),
        }
    }
}

impl error::Error for SendError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Connect(error) => error.source(),
            Self::Broken(error) => Some(error),
            Self::Stalled | Self::Unanswered | Self::ReplyTooLong | Self::Closed => None,
        }
    }
}
