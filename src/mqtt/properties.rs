//! Cuts properties out of a packet before it is decoded. Texts of a broker may be as long as a packet, and are of no use here.

use bytes::{Buf as _, BytesMut};

use super::variable_length::{decode, encode};

/// The numbers of a CONNACK that are used, each once: session expiry, server keep alive, receive maximum, maximum QoS, maximum packet
/// size.
const KEPT: [u8; 5] = [0x11, 0x13, 0x21, 0x24, 0x27];
/// Bytes of all of them.
const KEPT_BYTES: usize = 5 + 3 + 3 + 2 + 5;

/// Cuts the properties out of the packet at the front of `bytes`, by moving what precedes them up to what follows. They begin
/// `before` bytes behind the fixed header, which takes `header` bytes and has `length` behind it. With `numbers` those that are used
/// are kept. `None`: the lengths in it contradict each other, or there is no such property.
pub(super) fn cut_out(bytes: &mut BytesMut, header: usize, length: usize, before: usize, numbers: bool) -> Option<()> {
    let end = header + length;
    let (properties, digits) = decode(bytes.get(header + before..end)?)?;
    if properties == 0 {
        return Some(());
    }
    let begin = header + before + digits;
    let behind = begin + properties;
    if behind > end {
        return None;
    }
    let kept = if numbers { self::numbers(&bytes[begin..behind])? } else { heapless::Vec::new() };
    // From what follows backwards: the rest of the properties, what precedes them, a new fixed header. It always fits, because
    // no length takes more bytes than before.
    let first = *bytes.first()?;
    bytes.get_mut(behind - kept.len()..behind)?.copy_from_slice(&kept);
    let at = behind - kept.len() - 1;
    *bytes.get_mut(at)? = u8::try_from(kept.len()).ok()?;
    bytes.copy_within(header..header + before, at - before);
    let (encoded, digits) = encode(end - (at - before));
    let start = at - before - digits - 1;
    *bytes.get_mut(start)? = first;
    bytes.get_mut(start + 1..start + 1 + digits)?.copy_from_slice(&encoded[..digits]);
    bytes.advance(start);
    Some(())
}

/// Those of the properties of a CONNACK that are used (MQTT 5, table 2-4).
fn numbers(mut properties: &[u8]) -> Option<heapless::Vec<u8, KEPT_BYTES>> {
    let mut kept = heapless::Vec::new();
    while let Some((&id, value)) = properties.split_first() {
        let text = |at: usize| Some(2 + usize::from(u16::from_be_bytes(value.get(at..at + 2)?.try_into().ok()?)));
        let length = match id {
            0x24 | 0x25 | 0x28..=0x2A => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => text(0)?,
            0x26 => text(0)? + text(text(0)?)?,
            _ => return None,
        };
        let (property, rest) = properties.split_at_checked(1 + length)?;
        if KEPT.contains(&id) {
            kept.extend_from_slice(property).ok()?;
        }
        properties = rest;
    }
    Some(kept)
}
