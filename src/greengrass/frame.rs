//! Frames of the AWS event stream, the wire format of Greengrass IPC: bytes in, frames out, without I/O.
//!
//! All numbers are big-endian (aws-c-event-stream, `event_stream.h`):
//!
//! ```text
//! u32 bytes of it all | u32 bytes of headers | u32 CRC-32 of these eight | headers | payload | u32 CRC-32 of all before
//! header: u8 length of name | name | u8 type | value
//! ```
//!
//! A frame above the limit is read to its end without being held: its checksums count, and the beginning of its payload is kept.

use core::{error, fmt};

use bytes::{Buf as _, Bytes, BytesMut};

use crate::checksum::Checksum;
use crate::limits::greengrass::{BEGIN_BYTES, HEADERS_BYTES};

/// Lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const CHECKSUM: usize = 4;

/// What a frame is for, the header `:message-type` (aws-c-event-stream, `event_stream_rpc.h`).
pub(super) mod kind {
    pub(in crate::greengrass) const MESSAGE: i32 = 0;
    pub(in crate::greengrass) const ERROR: i32 = 1;
    pub(in crate::greengrass) const PING: i32 = 2;
    pub(in crate::greengrass) const PING_RESPONSE: i32 = 3;
    pub(in crate::greengrass) const CONNECT: i32 = 4;
    pub(in crate::greengrass) const CONNECT_ACK: i32 = 5;
    pub(in crate::greengrass) const PROTOCOL_ERROR: i32 = 6;
    pub(in crate::greengrass) const INTERNAL_ERROR: i32 = 7;
}

/// Bits of the header `:message-flags`.
pub(super) mod flag {
    pub(in crate::greengrass) const ACCEPTED: i32 = 1;
    pub(in crate::greengrass) const TERMINATE: i32 = 2;
}

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    /// `:message-type`, see [`kind`].
    pub(super) kind: i32,
    /// `:message-flags`, see [`flag`].
    pub(super) flags: i32,
    /// `:stream-id`: which request it belongs to; zero: to the connection.
    pub(super) stream: i32,
    /// `service-model-type`: what the payload is.
    pub(super) model: Bytes,
    /// All of it, or its beginning.
    pub(super) payload: Bytes,
    /// Bytes of the whole frame, if that is above the limit.
    pub(super) too_long: Option<usize>,
}

/// What is no frame. Nothing that comes after it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// A checksum is wrong.
    Checksum,
    /// Lengths contradict each other, or there are more headers than [`HEADERS_BYTES`].
    Lengths,
    /// A header is of no known type, or ends behind the headers.
    Header,
    /// The connection ends in the middle of one.
    Cut,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checksum => "a frame has a wrong checksum",
            Self::Lengths => "a frame has lengths that contradict each other",
            Self::Header => "a frame has a header that cannot be read",
            Self::Cut => "a frame has no end",
        })
    }
}

impl error::Error for FrameError {}

/// Appends a frame to `out`: message type, flags and stream, headers that are text, payload.
pub(super) fn put(out: &mut Vec<u8>, [kind, flags, stream]: [i32; 3], texts: &[(&str, &str)], payload: &[u8]) {
    let start = out.len();
    out.reserve(payload.len() + 256);
    out.extend_from_slice(&[0; PRELUDE]);
    for (name, number) in [(":message-type", kind), (":message-flags", flags), (":stream-id", stream)] {
        put_name(out, name, NUMBER);
        out.extend_from_slice(&number.to_be_bytes());
    }
    for (name, text) in texts {
        put_name(out, name, TEXT);
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    let headers = length(out.len() - start - PRELUDE);
    out.extend_from_slice(payload);
    let total = length(out.len() - start + CHECKSUM);
    out[start..start + 4].copy_from_slice(&total);
    out[start + 4..start + 8].copy_from_slice(&headers);
    let prelude = Checksum::of(&out[start..start + 8]).to_be_bytes();
    out[start + 8..start + PRELUDE].copy_from_slice(&prelude);
    let whole = Checksum::of(&out[start..]).to_be_bytes();
    out.extend_from_slice(&whole);
}

/// Types of headers' values.
const NUMBER: u8 = 4;
const TEXT: u8 = 7;

fn put_name(out: &mut Vec<u8>, name: &str, value_type: u8) {
    out.push(name.len().to_le_bytes()[0]);
    out.extend_from_slice(name.as_bytes());
    out.push(value_type);
}

/// What we send is a few kilobytes.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

/// Takes frames off the bytes of one connection.
pub(super) struct Frames {
    limit: usize,
    /// A frame above the limit that is on its way through.
    skipped: Option<Skipped>,
}

struct Skipped {
    frame: Frame,
    begin: BytesMut,
    /// Bytes of its payload to come.
    left: usize,
    checksum: Checksum,
}

impl Frames {
    /// Frames of at most `limit` bytes are held.
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, skipped: None }
    }

    /// Takes the next frame off `bytes`; `None`: it is not all there.
    pub(super) fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if self.skipped.is_some() {
            return self.skip(bytes);
        }
        let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
        let [total, headers] = [number(prelude, 0), number(prelude, 4)].map(|bytes| bytes as usize);
        if Checksum::of(&prelude[..8]) != number(prelude, 8) {
            return Err(FrameError::Checksum);
        }
        if headers > HEADERS_BYTES || total < PRELUDE + headers + CHECKSUM {
            return Err(FrameError::Lengths);
        }
        if total <= self.limit {
            if bytes.len() < total {
                bytes.reserve(total - bytes.len());
                return Ok(None);
            }
            let whole = bytes.split_to(total).freeze();
            let end = total - CHECKSUM;
            if Checksum::of(&whole[..end]) != number(&whole, end) {
                return Err(FrameError::Checksum);
            }
            let mut frame = Frame::default();
            read_headers(&mut frame, &whole.slice(PRELUDE..PRELUDE + headers))?;
            frame.payload = whole.slice(PRELUDE + headers..end);
            return Ok(Some(frame));
        }
        if bytes.len() < PRELUDE + headers {
            return Ok(None);
        }
        let head = bytes.split_to(PRELUDE + headers);
        let checksum = Checksum::new().and(&head);
        let mut frame = Frame { too_long: Some(total), ..Frame::default() };
        // A copy, so that the buffer is not held on to.
        read_headers(&mut frame, &Bytes::copy_from_slice(&head[PRELUDE..]))?;
        let left = total - head.len() - CHECKSUM;
        self.skipped = Some(Skipped { frame, begin: BytesMut::new(), left, checksum });
        self.skip(bytes)
    }

    /// Moves on with the frame above the limit.
    fn skip(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(skipped) = &mut self.skipped else { return Ok(None) };
        let piece = bytes.split_to(bytes.len().min(skipped.left));
        skipped.checksum = skipped.checksum.and(&piece);
        skipped.left -= piece.len();
        let room = BEGIN_BYTES.min(self.limit).saturating_sub(skipped.begin.len());
        skipped.begin.extend_from_slice(&piece[..piece.len().min(room)]);
        if skipped.left > 0 || bytes.len() < CHECKSUM {
            return Ok(None);
        }
        let theirs = bytes.get_u32();
        let Some(Skipped { mut frame, begin, checksum, .. }) = self.skipped.take() else { return Ok(None) };
        if checksum.value() != theirs {
            return Err(FrameError::Checksum);
        }
        frame.payload = begin.freeze();
        Ok(Some(frame))
    }
}

/// The number at `place`, of bytes that are known to be there.
fn number(bytes: &[u8], place: usize) -> u32 {
    bytes.get(place..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Reads the headers that are of use, and passes over the others.
fn read_headers(frame: &mut Frame, headers: &Bytes) -> Result<(), FrameError> {
    let mut place = 0;
    let mut take = |count: usize| {
        let start = place;
        place += count;
        headers.get(start..place).map(|bytes| (start, bytes)).ok_or(FrameError::Header)
    };
    let mut left = headers.len();
    while left > 0 {
        let (start, length) = take(1)?;
        let (_, name) = take(usize::from(length[0]))?;
        let (_, value_type) = take(1)?;
        let value = match value_type[0] {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            NUMBER => 4,
            5 | 8 => 8,
            6 | TEXT => {
                let (_, length) = take(2)?;
                usize::from(u16::from_be_bytes([length[0], length[1]]))
            }
            9 => 16,
            _ => return Err(FrameError::Header),
        };
        let (at, bytes) = take(value)?;
        match (name, value_type[0]) {
            (b":message-type", NUMBER) => frame.kind = number(bytes, 0).cast_signed(),
            (b":message-flags", NUMBER) => frame.flags = number(bytes, 0).cast_signed(),
            (b":stream-id", NUMBER) => frame.stream = number(bytes, 0).cast_signed(),
            (b"service-model-type", TEXT) => frame.model = headers.slice(at..at + value),
            _ => {}
        }
        left -= at + value - start;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
