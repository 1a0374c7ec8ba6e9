//! Credentials as JSON, as credentials endpoints hand them out. The names of the fields differ between endpoints.

use core::{error, fmt, time::Duration};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::is_printable;
use crate::firehose::credentials::Credentials;
use crate::foreign::Secret;

/// How an endpoint names what it hands out.
pub(super) struct Fields {
    /// A field and the JSON value that says that the rest is what it should be.
    pub(super) sign: Option<(&'static str, &'static str)>,
    pub(super) access_key_id: &'static str,
    pub(super) secret_access_key: &'static str,
    pub(super) session_token: &'static str,
    pub(super) expiration: &'static str,
}

/// Reads `body`; other fields are ignored.
pub(super) fn parse(body: &[u8], fields: &Fields) -> Result<Credentials, ReplyError> {
    let object: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(ReplyError::NotAnObject)?;
    if let Some((field, value)) = fields.sign
        && object.get(field).map(|found| found.get()) != Some(value)
    {
        return Err(ReplyError::NotSigned(field, value));
    }
    let optional = |field| match object.get(field).map(|value| value.get()) {
        None | Some("null" | "\"\"") => Ok(None),
        Some(value) => match serde_json::from_str::<String>(value) {
            Ok(text) if is_printable(&text) => Ok(Some(text)),
            _ => Err(ReplyError::NotText(field)),
        },
    };
    let required = |field| optional(field)?.ok_or(ReplyError::Missing(field));
    Ok(Credentials {
        access_key_id: required(fields.access_key_id)?,
        secret_access_key: Secret::new(&required(fields.secret_access_key)?),
        session_token: optional(fields.session_token)?.as_deref().map(Secret::new),
        expires_at: match optional(fields.expiration)? {
            None => None,
            Some(text) => Some(date(&text).ok_or(ReplyError::NotADate(fields.expiration, text))?),
        },
    })
}

/// The value of one field of an object.
pub(super) fn field<'a>(body: &'a [u8], field: &'static str) -> Result<&'a [u8], ReplyError> {
    let object: BTreeMap<String, &'a RawValue> = serde_json::from_slice(body).map_err(ReplyError::NotAnObject)?;
    object.get(field).map(|value| value.get().as_bytes()).ok_or(ReplyError::Missing(field))
}

fn date(text: &str) -> Option<SystemTime> {
    let seconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp();
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Why a reply holds no credentials. Values are not shown but for the date.
#[derive(Debug)]
pub enum ReplyError {
    /// Something else than a JSON object.
    NotAnObject(serde_json::Error),
    /// This field should have this value.
    NotSigned(&'static str, &'static str),
    /// This field is not there, `null` or empty.
    Missing(&'static str),
    /// This field is a number or the like, or has other characters than printable ASCII.
    NotText(&'static str),
    /// This field should be a date and time as of RFC 3339.
    NotADate(&'static str, String),
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject(_) => f.write_str("no JSON object"),
            Self::NotSigned(field, value) => write!(f, "{field} is not {value}"),
            Self::Missing(field) => write!(f, "no {field}"),
            Self::NotText(field) => write!(f, "{field} is not a string of printable ASCII characters"),
            Self::NotADate(field, text) => {
                write!(f, "{field} {text:?} is not a date and time like 2018-01-18T09:18:06Z")
            }
        }
    }
}

impl error::Error for ReplyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NotAnObject(cause) => Some(cause),
            Self::NotSigned(..) | Self::Missing(_) | Self::NotText(_) | Self::NotADate(..) => None,
        }
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
