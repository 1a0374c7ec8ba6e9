//! Why the connector itself answers a record with `fail`: one code and one sentence each.

use core::fmt;

use super::TooLong;
use super::arn::ArnError;
use super::json::LoneSurrogate;
use super::message::Invalid;
use super::record::WriteError;
use crate::limits::{RECORD_BYTES, STREAMS};

/// Why a publish is answered with `fail`.
#[derive(Debug)]
pub enum Refusal<'a> {
    /// Bad JSON, a missing property, a wrong type.
    Message(Invalid),
    /// An invalid override ARN.
    Arn {
        /// What stands in the message: a JSON string with its quotes.
        text: &'a str,
        /// What is wrong with it.
        error: ArnError,
    },
    /// The data is larger than a record may be.
    TooLarge,
    /// The publish is longer than a packet may be.
    PublishTooLong(TooLong),
    /// The stream holds as many records as it may.
    QueueFull {
        /// `DeliveryStreamQueueSize`
        size: usize,
    },
    /// No memory is left for records.
    MemoryFull,
    /// No memory is left, or no publish may wait any longer, and the spool is full.
    SpoolFull {
        /// `FIREHOSE_CONNECTOR_SPOOL_SIZE`, KB.
        kib: u64,
    },
    /// Records are held for too many delivery streams already.
    Streams,
    /// The service has no endpoint where the delivery stream's ARN says.
    Endpoint {
        /// Region of the ARN.
        region: &'a str,
        /// Partition of the ARN.
        partition: &'a str,
    },
    /// The connector stopped before the record could be sent.
    Stopped,
    /// The connector stopped while the record was being sent.
    StoppedInFlight,
}

impl Refusal<'_> {
    /// The `ErrorCode` of the status.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Message(_) => "InvalidMessage",
            Self::Arn { .. } => "InvalidDeliveryStreamArn",
            Self::TooLarge | Self::PublishTooLong(_) => "RecordTooLarge",
            Self::QueueFull { .. } => "QueueFull",
            Self::MemoryFull => "MemoryFull",
            Self::SpoolFull { .. } => "SpoolFull",
            Self::Streams => "TooManyDeliveryStreams",
            Self::Endpoint { .. } => "EndpointNotFound",
            Self::Stopped | Self::StoppedInFlight => "Stopped",
        }
    }

    /// Whether the record would have been taken if less were held.
    #[must_use]
    pub const fn is_for_room(&self) -> bool {
        matches!(self, Self::QueueFull { .. } | Self::MemoryFull | Self::SpoolFull { .. } | Self::Streams)
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(invalid) => invalid.fmt(f),
            Self::Arn { text, error } => {
                // The text brings its quotes. Enough to recognise it; a hostile one may be a megabyte.
                let (shown, end) = text.char_indices().nth(SHOWN).map_or((*text, ""), |(at, _)| (&text[..at], "...\""));
                write!(f, "the property request.delivery_stream_arn is {shown}{end}: {error}")
            }
            Self::TooLarge => {
                write!(f, "the data is larger than {RECORD_BYTES} bytes, the most that a record may hold")
            }
            Self::PublishTooLong(TooLong { bytes, limit, .. }) => {
                write!(f, "the publish is {bytes} bytes long, at most {limit} are taken, see MemorySize")
            }
            Self::QueueFull { size } => {
                write!(f, "the delivery stream holds {size} records already, its DeliveryStreamQueueSize")
            }
            Self::MemoryFull => f.write_str("the memory for records is used up, see MemorySize"),
            Self::SpoolFull { kib } => {
                write!(
                    f,
                    "the spool holds {kib} KB already, its FIREHOSE_CONNECTOR_SPOOL_SIZE, and the service takes nothing"
                )
            }
            Self::Streams => {
                write!(f, "records for {STREAMS} delivery streams are held already, send to fewer at a time")
            }
            Self::Endpoint { region, partition } => write!(
                f,
                "the service has no endpoint in region {region} of partition {partition}, \
                 its host name does not exist: check delivery_stream_arn"
            ),
            Self::Stopped => f.write_str("the connector stopped before the record was sent"),
            Self::StoppedInFlight => {
                f.write_str("the connector stopped while the record was being sent, it may have been delivered")
            }
        }
    }
}

/// Characters of a wrong value that a sentence repeats.
const SHOWN: usize = 200;

impl From<Invalid> for Refusal<'_> {
    fn from(invalid: Invalid) -> Self {
        Self::Message(invalid)
    }
}

impl From<WriteError> for Refusal<'_> {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Full => Self::MemoryFull,
            WriteError::TooLarge => Self::TooLarge,
        }
    }
}

impl From<LoneSurrogate> for Refusal<'_> {
    fn from(LoneSurrogate: LoneSurrogate) -> Self {
        Self::Message(Invalid::Surrogate("request.data"))
    }
}
