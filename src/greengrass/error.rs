//! Why there is no connection with the nucleus.

use core::time::Duration;
use core::{error, fmt};
use std::io;
use std::path::PathBuf;

use super::frame::FrameError;
use crate::error_chain::words::of_system;
use crate::foreign::file_name;
use crate::limits::greengrass::ANSWER;

/// Why a connection could not be established, or ended.
#[derive(Debug)]
pub enum GreengrassError {
    /// There is none.
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The nucleus does not take the token, and says so.
    Refused,
    /// It closed the connection instead of answering the token, as nucleus lite does with a wrong one.
    NoAnswer,
    /// The connection closed.
    Closed(Option<io::Error>),
    /// The nucleus did not answer this.
    Silent(&'static str),
    /// It did not answer this in so much time, for somebody who does not wait as long as a connector does.
    SilentFor(&'static str, Duration),
    /// It sent what is no frame.
    Frame(FrameError),
    /// It ended the connection and said why.
    Ended(String),
    /// All numbers of requests of a connection are used up.
    UsedUp,
}

impl GreengrassError {
    /// Whether another token might be taken.
    #[must_use]
    pub const fn is_for_the_token(&self) -> bool {
        matches!(self, Self::Refused | Self::NoAnswer)
    }
}

impl fmt::Display for GreengrassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { path, error } => {
                write!(f, "the socket {} cannot be connected to: {}", file_name(path), of_system(error))
            }
            Self::Refused => f.write_str("the nucleus does not take the token of this process (SVCUID)"),
            Self::NoAnswer => f.write_str(
                "the nucleus closed the connection at the token of this process (SVCUID): it does not know it, or is stopping",
            ),
            Self::Closed(Some(error)) => write!(f, "the nucleus closed the connection: {}", of_system(error)),
            Self::Closed(None) => f.write_str("the nucleus closed the connection"),
            Self::Silent(what) => write!(f, "the nucleus did not answer {what} within {} s", ANSWER.as_secs()),
            Self::SilentFor(what, time) => {
                write!(f, "the nucleus did not answer {what} within {:.0} s", time.as_secs_f32())
            }
            Self::Frame(error) => write!(f, "the nucleus sends what cannot be read: {error}"),
            Self::Ended(why) => write!(f, "the nucleus ended the connection: {why}"),
            Self::UsedUp => f.write_str("the numbers of requests are used up, a new connection starts at the first"),
        }
    }
}

impl error::Error for GreengrassError {}

impl From<FrameError> for GreengrassError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}
