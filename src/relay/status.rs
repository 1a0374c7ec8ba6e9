//! What one status says: a JSON entry, written to the arena.
//!
//! The texts are the contract's, property order included. Versions 2 to 5 publish an array, version 1
//! one object per record with the sentence that the AWS SDK for Python makes of an error.

use std::io::{self, Write};

use serde::Serialize;

use super::arena::{Arena, Full, PAYLOAD};
use super::chain::Chain;
use super::json::is_plain;
use super::record::{Cursor, Record};
use super::refusal::Refusal;
use crate::foreign::blanked;

/// How a record ended.
#[derive(Debug, Clone, Copy)]
pub enum Status<'a> {
    /// The service took it.
    Success {
        /// The service's name for it.
        record_id: &'a str,
    },
    /// The service refused it for good.
    Rejected {
        /// The service's error code.
        code: &'a str,
        /// The service's words.
        message: &'a str,
    },
    /// The connector did not take it, or could not deliver it.
    Refused(&'a Refusal<'a>),
}

/// The id that a status carries.
#[derive(Debug, Clone, Copy)]
pub enum Id<'a> {
    /// JSON text with its quotes, as it stood in the message; empty: none.
    Json(&'a str),
    /// Plain text from a topic.
    Plain(&'a str),
    /// The one that a record in the arena came with.
    Of(Record),
}

/// What stands in each entry once, and nowhere else: a quotation mark within a JSON string has a backslash before it.
const MARK: &[u8] = br#","status":""#;

/// The entries of a message that [`StatusQueue::next_message`](super::status_queue::StatusQueue::next_message) made.
pub fn entries(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = message.strip_prefix(b"{\"response\":[");
    let mut rest = list.unwrap_or(message);
    core::iter::from_fn(move || {
        let mark = memchr::memmem::find(rest, MARK)?;
        // Behind it only `success"` or `fail"` stands in an entry. In version 1 the message is the entry.
        let end = list.map_or(Some(rest.len()), |_| Some(mark + memchr::memchr(b'}', &rest[mark..])? + 1))?;
        let (entry, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        Some(entry)
    })
}

/// Writes one entry at the end of the chain.
pub(super) struct Entry<'a> {
    pub(super) arena: &'a mut Arena,
    pub(super) chain: Chain,
    pub(super) keep: usize,
}

impl Entry<'_> {
    pub(super) fn write_line(&mut self, version: u8, id: Id<'_>, status: Status<'_>) -> io::Result<()> {
        if let Status::Rejected { code, message } = status {
            // Refusals of a signature repeat the request, and with it the session token.
            let (code, message) = (&*blanked(code), &*blanked(message));
            return self.write_entry(version, id, Status::Rejected { code, message });
        }
        self.write_entry(version, id, status)
    }

    fn write_entry(&mut self, version: u8, id: Id<'_>, status: Status<'_>) -> io::Result<()> {
        // What nearly all are, in as few pieces as it has.
        if let Status::Success { record_id } = status
            && version > 1
            && is_plain(record_id)
        {
            self.text(r#"{"firehose_record_id":""#)?;
            self.text(record_id)?;
            self.text(r#"","id":"#)?;
            self.id(id)?;
            return self.text(concat!(r#","status":"success"}"#, "\n"));
        }
        if version == 1 {
            match status {
                Status::Success { record_id } => self.member(r#"{"response":{"firehose_record_id":"#, record_id)?,
                Status::Rejected { code, message } => {
                    self.member(r#"{"response":{"error":"#, code)?;
                    let call = "when calling the PutRecord operation";
                    let sentence = format_args!("An error occurred ({code}) {call}: {message}");
                    self.member(r#","error_message":"#, sentence)?;
                }
                Status::Refused(refusal) => {
                    self.member(r#"{"response":{"error":"#, refusal.code())?;
                    self.member(r#","error_message":"#, format_args!("{refusal}"))?;
                }
            }
            self.text(status.member())?;
            self.text(r#"},"id":"#)?;
            self.id(id)?;
        } else {
            match status {
                Status::Success { record_id } => self.member(r#"{"firehose_record_id":"#, record_id)?,
                Status::Rejected { code, message } => {
                    self.member(r#"{"ErrorCode":"#, code)?;
                    self.member(r#","ErrorMessage":"#, message)?;
                }
                Status::Refused(refusal) => {
                    self.member(r#"{"ErrorCode":"#, refusal.code())?;
                    self.member(r#","ErrorMessage":"#, format_args!("{refusal}"))?;
                }
            }
            self.text(r#","id":"#)?;
            self.id(id)?;
            self.text(status.member())?;
        }
        self.text("}\n")
    }

    /// `before` is all the text up to `value`, in one piece: each record has an entry, and each piece is a write to the
    /// arena.
    fn member(&mut self, before: &str, value: impl Serialize) -> io::Result<()> {
        self.text(before)?;
        Ok(serde_json::to_writer(self, &value)?)
    }

    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        self.write_all(text.as_bytes())
    }

    fn id(&mut self, id: Id<'_>) -> io::Result<()> {
        match id {
            Id::Json("") => self.text(r#""""#),
            Id::Json(text) => self.text(text),
            Id::Plain(text) => Ok(serde_json::to_writer(self, text)?),
            Id::Of(record) => {
                let mut cursor = Cursor::id(record, self.arena);
                if cursor.left() == 0 {
                    self.text(r#""""#)?;
                }
                // Reads and writes the same arena, so a piece passes through here.
                let mut copy = [0; PAYLOAD];
                loop {
                    let piece = cursor.piece(self.arena, copy.len());
                    let length = piece.len();
                    if length == 0 {
                        return Ok(());
                    }
                    copy[..length].copy_from_slice(piece);
                    cursor.advance(self.arena, length);
                    self.write_all(&copy[..length])?;
                }
            }
        }
    }
}

impl Write for Entry<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.chain.append(self.arena, piece, self.keep).map_err(|Full| io::ErrorKind::OutOfMemory)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Status<'_> {
    const fn member(self) -> &'static str {
        match self {
            Self::Success { .. } => r#","status":"success""#,
            Self::Rejected { .. } | Self::Refused(_) => r#","status":"fail""#,
        }
    }
}
