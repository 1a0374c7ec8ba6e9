//! The service's answer to a request: what it means for each record, decided here and nowhere else.
//!
//! An answer that is not the service's own JSON, such as the page of a captive portal or of a
//! proxy, never makes a record fail.

use core::fmt;
use std::borrow::Cow;

use serde::Deserialize;

use super::error_code::{Class, class_of};
use super::request::Call;
use super::text::{Entries, Text};
use crate::limits::ERROR_MESSAGE_BYTES;
use crate::relay::outcome::RecordOutcome;

/// An HTTP answer.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// HTTP status.
    pub status: u16,
    /// Header `x-amzn-ErrorType`.
    pub error_type: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
}

/// The meaning of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The service answered for each record.
    Records(Records<'a>),
    /// The service refused the request.
    Refused {
        /// What to do about it.
        class: Class,
        /// The service's error code.
        code: Cow<'a, str>,
        /// The service's message, cut at [`ERROR_MESSAGE_BYTES`].
        message: Cow<'a, str>,
    },
    /// It is not the service's, or does not fit the request.
    Unreadable(Unreadable),
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not the service's JSON: something on the way answered.
    NotTheService {
        /// HTTP status.
        status: u16,
    },
    /// The number of entries is not the number of records.
    Count {
        /// Records sent.
        sent: usize,
        /// Entries of the answer.
        answered: usize,
    },
}

impl Unreadable {
    /// What to do about it.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::NotTheService { status: 413 } => Class::TooLarge,
            Self::NotTheService { status: 408 | 429 } => Class::Retry,
            Self::NotTheService { .. } | Self::Count { .. } => Class::RetrySplit,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTheService { status } => write!(
                f,
                "the answer (HTTP {status}) is not the service's; perhaps a proxy or a captive portal gave it"
            ),
            Self::Count { sent, answered } => {
                write!(f, "the service answered for {answered} records, {sent} were sent")
            }
        }
    }
}

/// One entry for each record, in the order of the request.
#[derive(Debug, PartialEq, Eq)]
pub struct Records<'a>(Vec<Entry<'a>>);

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    record_id: Option<Text<'a>>,
    #[serde(borrow)]
    error_code: Option<Text<'a>>,
    #[serde(borrow)]
    error_message: Option<Text<'a>>,
}

impl Records<'_> {
    /// The entries as results for the relay.
    #[must_use]
    pub fn outcomes(&self) -> Vec<RecordOutcome<'_>> {
        self.0.iter().map(Entry::outcome).collect()
    }
}

impl Entry<'_> {
    /// Whether it has a record id or an error code that fits a status.
    fn is_readable(&self) -> bool {
        let length = |text: &Option<Text<'_>>| text.as_ref().map_or(0, |text| text.len());
        let longest = length(&self.record_id).max(length(&self.error_code));
        (self.record_id.is_some() || self.error_code().is_some()) && longest <= ERROR_MESSAGE_BYTES
    }

    /// The error code. An empty one counts as missing, because some services write every member of an entry.
    fn error_code(&self) -> Option<&str> {
        self.error_code.as_deref().map(name).filter(|code| !code.is_empty())
    }

    // A failed entry may have a record id, too, so the error code decides.
    fn outcome(&self) -> RecordOutcome<'_> {
        match (self.error_code(), &self.record_id) {
            (Some(code), _) => match class_of(code, OK) {
                Class::Permanent => {
                    let message = self.error_message.as_deref().map_or("", |message| cut(message));
                    RecordOutcome::Rejected { code, message }
                }
                _ => RecordOutcome::Retry,
            },
            (None, Some(record_id)) => RecordOutcome::Delivered { record_id },
            (None, None) => RecordOutcome::Retry,
        }
    }
}

const OK: u16 = 200;

/// Reads the answer to `call` with `sent` records.
#[must_use]
pub fn read<'a>(call: Call, sent: usize, reply: &Reply<'a>) -> Answer<'a> {
    if reply.status != OK {
        return refused(reply).unwrap_or(Answer::Unreadable(Unreadable::NotTheService { status: reply.status }));
    }
    let entries = match call {
        Call::PutRecord => serde_json::from_slice::<Entry<'_>>(reply.body).map(|entry| vec![entry]),
        Call::PutRecordBatch => serde_json::from_slice::<Batch<'_>>(reply.body).map(|batch| batch.request_responses.0),
    };
    match entries {
        Ok(entries) if !entries.iter().all(Entry::is_readable) => {
            Answer::Unreadable(Unreadable::NotTheService { status: OK })
        }
        Ok(entries) if entries.len() == sent => Answer::Records(Records(entries)),
        Ok(entries) => Answer::Unreadable(Unreadable::Count { sent, answered: entries.len() }),
        Err(_) => Answer::Unreadable(Unreadable::NotTheService { status: OK }),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    request_responses: Entries<Entry<'a>>,
}

/// The error document of the AWS JSON protocol. The code is in the header, in `__type`, or in both (proxies and portals
/// write a `code` alone), and may have a namespace before `#` and an address after `:`.
#[derive(Deserialize)]
struct ErrorDocument<'a> {
    #[serde(rename = "__type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    /// Some services write it in this case, some in both.
    #[serde(rename = "Message", borrow)]
    capital_message: Option<Text<'a>>,
}

fn refused<'a>(reply: &Reply<'a>) -> Option<Answer<'a>> {
    // The service refuses with a status of 4xx or 5xx; 407 is a proxy's.
    if !matches!(reply.status, 400..=599) || reply.status == 407 {
        return None;
    }
    let document: ErrorDocument<'a> = serde_json::from_slice(reply.body).ok()?;
    let kind = reply.error_type.map(Cow::Borrowed).or_else(|| document.kind.map(|text| text.0))?;
    let code = map(kind, |kind| cut(name(kind)));
    let message = map(document.message.or(document.capital_message).map(|text| text.0).unwrap_or_default(), cut);
    Some(Answer::Refused { class: class_of(&code, reply.status), code, message })
}

/// The name in the code of an error.
fn name(code: &str) -> &str {
    let code = code.rsplit_once('#').map_or(code, |(_, name)| name);
    code.split_once(':').map_or(code, |(name, _)| name)
}

fn map<'a>(text: Cow<'a, str>, part: impl for<'t> Fn(&'t str) -> &'t str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(part(text)),
        Cow::Owned(text) => Cow::Owned(part(&text).to_owned()),
    }
}

fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(ERROR_MESSAGE_BYTES)]
}

#[cfg(test)]
mod tests;
