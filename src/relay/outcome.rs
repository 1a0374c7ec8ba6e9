//! What became of a batch, in the relay's words. `firehose::reply` makes it from the service's answer.

/// What became of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The service answered for each record, in the order of the batch.
    Records(&'a [RecordOutcome<'a>]),
    /// The service refused the whole request for good.
    Rejected {
        /// The service's error code.
        code: &'a str,
        /// The service's words.
        message: &'a str,
    },
    /// Nothing is known to have been taken: send again later.
    Retry,
    /// As `Retry`: the device has no network, which says nothing about the service.
    Offline,
    /// As `Retry`: the host name of the delivery stream's endpoint does not exist. When that stays so, the records
    /// fail.
    NoSuchEndpoint,
    /// As `Retry`, and it may be the fault of one of the records: when that repeats, the next requests have fewer,
    /// until the one that cannot be taken stands alone.
    RetrySplit,
    /// As `RetrySplit`, at once: the answer was too long.
    RetrySmaller,
    /// As `RetrySplit`, with fewer bytes at once: the request was too long for something on the way.
    TooLarge,
}

impl Outcome<'_> {
    /// Whether a request failed for reasons that may lie in one of its records.
    pub(super) const fn may_lie_in_a_record(&self) -> bool {
        matches!(self, Self::RetrySplit | Self::RetrySmaller | Self::TooLarge)
    }
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome<'a> {
    /// Taken.
    Delivered {
        /// The service's name for it.
        record_id: &'a str,
    },
    /// Not taken now.
    Retry,
    /// Refused for good.
    Rejected {
        /// The service's error code.
        code: &'a str,
        /// The service's words.
        message: &'a str,
    },
}
