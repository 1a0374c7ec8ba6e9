//! The one table of error codes: what to do about each.
//!
//! Sources: the errors of PutRecord and PutRecordBatch and the common errors in the API reference, and the
//! lists of retryable codes in botocore (`retries/standard.py`).

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wait and send again, for as long as it takes.
    Retry,
    /// As `Retry`, and it may be the fault of one of the records.
    RetrySplit,
    /// The request is too long: as `Retry`, with a smaller batch. A record that is too long by itself fails.
    TooLarge,
    /// Get new credentials, then as `Retry`.
    Credentials,
    /// The signature's time or key is not what the service expects: correct the clock, get new credentials, then as
    /// `Retry`.
    Clock,
    /// Sending again cannot help: the records fail with the service's own code and message.
    Permanent,
}

/// The class of error `code`, which came with HTTP `status`.
#[must_use]
pub fn class_of(code: &str, status: u16) -> Class {
    match code {
        "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Class::Credentials,

        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "RequestExpired"
        | "RequestTimeTooSkewed" => Class::Clock,

        _ if status >= 500 => Class::RetrySplit,

        "ServiceUnavailableException"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalError"
        | "InternalServerError"
        | "InternalServerException"
        | "BandwidthLimitExceeded"
        | "LimitExceededException"
        | "PriorRequestNotComplete"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "SlowDown"
        | "ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "TransactionInProgressException" => Class::Retry,

        _ if status == 408 || status == 429 => Class::Retry,
        _ if status == 413 => Class::TooLarge,
        _ => Class::Permanent,
    }
}
