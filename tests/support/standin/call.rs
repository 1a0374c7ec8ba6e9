//! Reads a request as the service would: headers, JSON, base64, limits. Sources: botocore's model of Firehose
//! 2015-08-04 and the quota page.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::Deserialize;

/// Bytes of a whole request. The page says "4 MiB for the entire request"; the body is counted as sent.
pub(super) const BODY_MAX: usize = 4 * 1024 * 1024;
const RECORDS_MAX: usize = 500;
const DATA_MAX: usize = 1_024_000;
const NAME_MAX: usize = 64;

/// A request that the service would understand.
pub(super) struct Call {
    /// Who signed.
    pub(super) access_key_id: String,
    pub(super) stream: String,
    /// `PutRecord` has one entry.
    pub(super) records: Vec<Vec<u8>>,
    pub(super) batch: bool,
}

/// What the service would answer instead.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

fn refuse<T>(code: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, message: message.into() })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutRecord<'a> {
    #[serde(borrow)]
    delivery_stream_name: Cow<'a, str>,
    #[serde(borrow)]
    record: Record<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutRecordBatch<'a> {
    #[serde(borrow)]
    delivery_stream_name: Cow<'a, str>,
    #[serde(borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Record<'a> {
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
}

/// Reads one request.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Call, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header(CONTENT_TYPE.as_str()) != "application/x-amz-json-1.1" {
        return refuse("UnknownOperationException", "content-type is not application/x-amz-json-1.1");
    }
    let access_key_id = signer(headers)?;
    if body.len() > BODY_MAX {
        return refuse("InvalidArgumentException", "Records size exceeds 4 MB limit");
    }
    let (stream, records, batch) = match header("x-amz-target") {
        "Firehose_20150804.PutRecord" => {
            let call: PutRecord<'_> = parse(body)?;
            (call.delivery_stream_name, vec![call.record], false)
        }
        "Firehose_20150804.PutRecordBatch" => {
            let call: PutRecordBatch<'_> = parse(body)?;
            (call.delivery_stream_name, call.records, true)
        }
        other => return refuse("UnknownOperationException", format!("no such operation: {other:?}")),
    };
    let name_is_valid = |c: u8| c.is_ascii_alphanumeric() || b"_.-".contains(&c);
    if stream.is_empty() || stream.len() > NAME_MAX || !stream.bytes().all(name_is_valid) {
        return refuse("InvalidArgumentException", format!("deliveryStreamName {stream:?} is not valid"));
    }
    // What the interface's own description forbids has a sentence of its own.
    if records.is_empty() {
        return invalid("'[]' at 'records'", "have length greater than or equal to 1");
    }
    if records.len() > RECORDS_MAX {
        return refuse("InvalidArgumentException", format!("{} records: 1 to 500 are allowed", records.len()));
    }
    let records = records.iter().map(decode).collect::<Result<_, _>>()?;
    Ok(Call { access_key_id, stream: stream.into_owned(), records, batch })
}

fn invalid<T>(value: &str, rule: &str) -> Result<T, Refusal> {
    let message =
        format!("1 validation error detected: Value {value} failed to satisfy constraint: Member must {rule}");
    refuse("ValidationException", message)
}

/// The parts of a signature must be there and fit each other; whether it is right is for others to judge.
pub(super) fn signer(headers: &HeaderMap) -> Result<String, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (authorization, date) = (header("authorization"), header("x-amz-date"));
    let Some(rest) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else {
        return refuse("MissingAuthenticationTokenException", "Missing Authentication Token");
    };
    let scope_is_right = rest.contains("/firehose/aws4_request") && date.get(..8).is_some_and(|day| rest.contains(day));
    let signed_is_right = ["SignedHeaders=", "host", "x-amz-date", "Signature="].iter().all(|part| rest.contains(part));
    if date.len() != "20200101T000000Z".len() || !scope_is_right || !signed_is_right {
        return refuse("IncompleteSignatureException", format!("x-amz-date {date:?}, authorization {rest:?}"));
    }
    Ok(rest.trim_start_matches("Credential=").split('/').next().unwrap_or_default().to_owned())
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).or_else(|error| refuse("SerializationException", error.to_string()))
}

fn decode(record: &Record<'_>) -> Result<Vec<u8>, Refusal> {
    let Some(data) = &record.data else { return invalid("null at 'record.data'", "not be null") };
    match BASE64_STANDARD.decode(data.as_bytes()) {
        Ok(data) if data.len() > DATA_MAX => {
            refuse("InvalidArgumentException", format!("Data of {} bytes: at most {DATA_MAX} are allowed", data.len()))
        }
        Ok(data) => Ok(data),
        Err(error) => refuse("SerializationException", error.to_string()),
    }
}
