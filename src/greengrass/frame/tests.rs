use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1000;

fn frame(kind: i32, flags: i32, stream: i32, model: &'static str, payload: &[u8]) -> (Frame, Vec<u8>) {
    let mut bytes = Vec::new();
    put(&mut bytes, [kind, flags, stream], &[("service-model-type", model), (":content-type", "x")], payload);
    let frame = Frame {
        kind,
        flags,
        stream,
        model: Bytes::from_static(model.as_bytes()),
        payload: Bytes::copy_from_slice(payload),
        too_long: None,
    };
    (frame, bytes)
}

/// All frames of `bytes`, which come in pieces that end at these places, and how it ended.
fn read(bytes: &[u8], limit: usize, ends: &[usize]) -> (Vec<Frame>, Result<(), FrameError>) {
    let (mut frames, mut buffer, mut read, mut at) = (Frames::new(limit), BytesMut::new(), Vec::new(), 0);
    let mut ends: Vec<_> = ends.iter().map(|end| end % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    for end in ends {
        buffer.extend_from_slice(&bytes[at..end]);
        at = end;
        loop {
            match frames.next(&mut buffer) {
                Ok(Some(frame)) => read.push(frame),
                Ok(None) => break,
                Err(error) => return (read, Err(error)),
            }
        }
        assert!(buffer.capacity() <= 2 * limit.max(bytes.len()), "nothing grows by what a frame says of itself");
    }
    (read, Ok(()))
}

#[test]
fn frames_that_aws_own_client_sends_are_made_to_the_byte() {
    // Recorded from awsiotsdk 1.31.0 (awscrt) at a socket that answers.
    for line in include_str!("../../../tests/golden/greengrass.hex").lines() {
        let golden = data_encoding::HEXLOWER.decode(line.as_bytes()).unwrap();
        let (frames, end) = read(&golden, LIMIT, &[]);
        assert_eq!(end, Ok(()));
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        let headers = number(&golden, 4) as usize;
        // Their headers come in another order, so each is looked for, and the rest is compared as it stands.
        let mut ours = Vec::new();
        put(
            &mut ours,
            [frame.kind, frame.flags, frame.stream],
            &texts(&golden[PRELUDE..PRELUDE + headers]),
            &frame.payload,
        );
        assert_eq!(ours.len(), golden.len());
        assert_eq!(read(&ours, LIMIT, &[]), (frames, Ok(())));
    }
}

/// Headers that are text.
fn texts(mut headers: &[u8]) -> Vec<(&str, &str)> {
    let mut texts = Vec::new();
    while let [length, rest @ ..] = headers {
        let (name, rest) = rest.split_at(usize::from(*length));
        let length = if rest[0] == TEXT { 2 + usize::from(u16::from_be_bytes([rest[1], rest[2]])) } else { 4 };
        if rest[0] == TEXT {
            texts.push((str::from_utf8(name).unwrap(), str::from_utf8(&rest[3..=length]).unwrap()));
        }
        headers = &rest[1 + length..];
    }
    texts
}

#[test]
fn a_frame_above_the_limit_passes_by_and_the_next_is_read() {
    let (mut long, mut bytes) = frame(0, 0, 7, "event", &[b'x'; 5000]);
    let (next, more) = frame(0, 0, 8, "event", b"y");
    bytes.extend(more);
    long.too_long = Some(5000 + number(&bytes, 4) as usize + PRELUDE + CHECKSUM);
    long.payload.truncate(LIMIT);
    for ends in [&[][..], &[1, 12, 13, 500, 4000]] {
        assert_eq!(read(&bytes, LIMIT, ends), (vec![long.clone(), next.clone()], Ok(())));
    }
    bytes[3000] ^= 1;
    assert_eq!(read(&bytes, LIMIT, &[]).1, Err(FrameError::Checksum), "its checksum counts all the same");
}

#[test]
fn headers_of_any_type_are_passed_over_and_unknown_ones_are_an_error() {
    let values: [(u8, &[u8]); 10] = [
        (0, b""),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\0\x031.3"),
        (7, b"\0\0"),
        (8, b"12345678"),
        (9, b"1234567890123456"),
    ];
    let with = |value_type, value: &[u8]| {
        let mut headers = b"\x01x".to_vec();
        headers.push(value_type);
        headers.extend_from_slice(value);
        headers.extend_from_slice(b"\x0a:stream-id\x04\0\0\0\x09");
        let mut bytes = [length(headers.len() + 16), length(headers.len())].concat();
        bytes.extend(Checksum::of(&bytes).to_be_bytes());
        bytes.extend(headers);
        bytes.extend(Checksum::of(&bytes).to_be_bytes());
        read(&bytes, LIMIT, &[])
    };
    for (value_type, value) in values {
        assert!(matches!(&with(value_type, value).0[..], [Frame { stream: 9, .. }]), "{value_type}");
    }
    assert_eq!(with(10, b"").1, Err(FrameError::Header));
    assert_eq!(with(7, b"\xff\xff").1, Err(FrameError::Header), "it ends behind the headers");
}

#[test]
fn lengths_that_contradict_each_other_are_an_error_before_anything_is_waited_for() {
    for (total, headers) in [(15, 0), (0, 0), (100, 85), (u32::MAX, u32::MAX), (1 << 20, 64 * 1024)] {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend(Checksum::of(&bytes).to_be_bytes());
        assert_eq!(read(&bytes, LIMIT, &[]).1, Err(FrameError::Lengths), "{total} {headers}");
    }
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in_however_the_bytes_are_split(
        payloads in vec((any::<[i32; 3]>(), vec(any::<u8>(), 0..2000)), 1..5),
        ends in vec(any::<usize>(), 0..20),
    ) {
        let (frames, bytes): (Vec<_>, Vec<_>) =
            payloads.iter().map(|([kind, flags, stream], payload)| frame(*kind, *flags, *stream, "m", payload)).unzip();
        let (read, end) = read(&bytes.concat(), LIMIT, &ends);
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(read.len(), frames.len());
        for (read, mut frame) in read.into_iter().zip(frames) {
            if let Some(bytes) = read.too_long {
                prop_assert!(bytes > LIMIT);
                frame.payload.truncate(LIMIT);
                frame.too_long = Some(bytes);
            }
            prop_assert_eq!(read, frame);
        }
    }

    #[test]
    fn any_bit_that_is_turned_is_an_error(
        payload in vec(any::<u8>(), 0..1500),
        (place, bit) in (any::<usize>(), 0..8_u32),
        ends in vec(any::<usize>(), 0..5),
    ) {
        let (_, mut bytes) = frame(0, 0, 1, "m", &payload);
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        let (frames, end) = read(&bytes, LIMIT, &ends);
        prop_assert!(frames.is_empty());
        // The headers of a frame above the limit are read before its checksum is there.
        prop_assert!(matches!(end, Err(FrameError::Checksum | FrameError::Header)), "{end:?}");
    }

    #[test]
    fn any_bytes_are_read_alike_however_they_are_split(bytes in vec(any::<u8>(), 0..200), ends in vec(any::<usize>(), 0..20)) {
        prop_assert_eq!(read(&bytes, LIMIT, &ends), read(&bytes, LIMIT, &[]));
    }
}
