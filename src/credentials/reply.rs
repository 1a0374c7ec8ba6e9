//! Reads credentials from JSON. The names of the fields differ between endpoints.

use core::{error, fmt};
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{date::date, printable::is_printable};
use crate::firehose::credentials::Credentials;
use crate::foreign::Secret;

/// The names of an endpoint's fields.
pub(super) struct Fields {
    /// A field and the JSON value that it must have.
    pub(super) marker: Option<(&'static str, &'static str)>,
    pub(super) access_key_id: &'static str,
    pub(super) secret_access_key: &'static str,
    pub(super) session_token: &'static str,
    pub(super) expiration: &'static str,
}

/// Reads `body`; unknown fields are ignored.
pub(super) fn parse(body: &[u8], fields: &Fields) -> Result<Credentials, ReplyError> {
    let object = object(body)?;
    if let Some((field, value)) = fields.marker
        && object.get(field).map(|found| found.get()) != Some(value)
    {
        return Err(ReplyError::MarkerMissing(field, value));
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
            Some(text) => Some(date(&text).ok_or_else(|| ReplyError::not_a_date(fields.expiration, &text))?),
        },
    })
}

/// The value of one field of an object.
pub(super) fn field<'a>(body: &'a [u8], field: &'static str) -> Result<&'a [u8], ReplyError> {
    object(body)?.get(field).map(|value| value.get().as_bytes()).ok_or(ReplyError::Missing(field))
}

/// The fields of an object. The error about anything else repeats nothing of it, as serde's own would.
pub(super) fn object(body: &[u8]) -> Result<BTreeMap<String, &RawValue>, ReplyError> {
    serde_json::from_slice(body).map_err(|error| match body.trim_ascii_start().first() {
        Some(b'"') => ReplyError::Text,
        _ => ReplyError::NotAnObject { line: error.line(), column: error.column() },
    })
}

/// Why a reply has no credentials. No value is shown, except one that can only be a date.
#[derive(Debug)]
pub enum ReplyError {
    /// Not a JSON object, or invalid JSON at this place.
    NotAnObject {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A JSON string, most likely the right object, encoded twice.
    Text,
    /// This field must have this value.
    MarkerMissing(&'static str, &'static str),
    /// This field is missing, `null` or empty.
    Missing(&'static str),
    /// This field is not a string, or contains other characters than printable ASCII.
    NotText(&'static str),
    /// This field must be a date and time with an offset. Its value, if that cannot be a secret.
    NotADate(&'static str, Option<String>),
}

impl ReplyError {
    /// Fields may be mixed up, so that a secret is in the place of the date.
    fn not_a_date(field: &'static str, text: &str) -> Self {
        let is_much_like_one = text.len() <= 40 && text.bytes().all(|b| b"0123456789-:+., TZ".contains(&b));
        Self::NotADate(field, is_much_like_one.then(|| text.to_owned()))
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject { line, column } => write!(f, "no JSON object (line {line}, column {column})"),
            Self::Text => f.write_str("a JSON string and no object, as if it were encoded twice"),
            Self::MarkerMissing(field, value) => write!(f, "{field} is not {value}"),
            Self::Missing(field) => write!(f, "no {field}"),
            Self::NotText(field) => write!(f, "{field} is not a string of printable ASCII characters"),
            Self::NotADate(field, text) => {
                let shown = text.as_ref().map_or_else(String::new, |text| format!(" {text:?}"));
                write!(f, "{field}{shown} is not a date and time with its offset, like 2018-01-18T09:18:06Z")
            }
        }
    }
}

impl error::Error for ReplyError {}

#[cfg(test)]
mod tests;
