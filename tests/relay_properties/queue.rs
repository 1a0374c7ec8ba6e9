//! Records, their queue and the cursors that read them, against a `VecDeque`.

use std::collections::VecDeque;

use firehose_connector::limits::STATUS_ENTRY_BYTES;
use firehose_connector::relay::arena::{Arena, PAYLOAD};
use firehose_connector::relay::cut::Cut;
use firehose_connector::relay::pack::Packing;
use firehose_connector::relay::queue::{RecordQueue, encoded_len};
use firehose_connector::relay::record::{Cursor, Record, RecordWriter, WriteError};
use firehose_connector::time::Instant;
use proptest::prelude::*;

use crate::support::scenario::read;

type Plain = (Vec<u8>, String, u64);

#[derive(Debug, Clone)]
enum Operation {
    /// Writes a record in pieces of this many bytes.
    Push {
        data: usize,
        id: usize,
        piece: usize,
    },
    Pop,
    /// Splits a batch off and, if so, puts its records back at the end.
    Split {
        records: usize,
        bytes: usize,
        statuses: usize,
        back: bool,
    },
}

/// Lengths around the ends of blocks: the first holds 228 bytes, each other one 252.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..4_usize,
        (0..5_usize, 0..7_usize).prop_map(|(blocks, off)| (228 + blocks * PAYLOAD + off).saturating_sub(3)),
        0..2_000_usize,
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        5 => (length(), length(), 1..600_usize).prop_map(|(data, id, piece)| Operation::Push { data, id, piece }),
        2 => Just(Operation::Pop),
        1 => (1..20_usize, 0..30_000_usize, 0..20_000_usize, any::<bool>())
            .prop_map(|(records, bytes, statuses, back)| Operation::Split { records, bytes, statuses, back }),
    ]
}

fn write(arena: &mut Arena, plain: &Plain, piece: usize) -> Result<Record, WriteError> {
    let (data, id, at) = plain;
    let mut writer = RecordWriter::new(arena, 0)?;
    for piece in data.chunks(piece) {
        writer.data(piece)?;
    }
    for piece in id.as_bytes().chunks(piece) {
        writer.id(piece)?;
    }
    Ok(writer.finish(Instant::from_millis(*at)))
}

fn check(record: Record, arena: &Arena, plain: &Plain) {
    let (data, id, at) = plain;
    assert_eq!(record.data_len(arena), data.len());
    assert_eq!(record.id_len(arena), id.len());
    assert_eq!(record.received_at(arena), Instant::from_millis(*at));
    assert_eq!(read(Cursor::data(record, arena), arena), *data);
    assert_eq!(read(Cursor::id(record, arena), arena), id.as_bytes());
    for (most, step) in [(3, 3), (33, 33), (252, 252), (600, 600), (6_000, 33), (6_000, 6_000)] {
        let mut cursor = Cursor::data(record, arena);
        let mut left = data.len();
        while left > 0 {
            let piece = cursor.piece(arena, most).len();
            assert!(piece == left || (piece > 0 && piece.is_multiple_of(3)), "base64 has no seam");
            assert!(piece <= most);
            let count = piece.min(step);
            cursor.advance(arena, count);
            left -= count;
            assert_eq!(cursor.left(), left);
        }
        assert!(cursor.piece(arena, most).is_empty());
    }
}

fn encoded<'a>(records: impl IntoIterator<Item = &'a Plain>) -> usize {
    records.into_iter().map(|(data, ..)| encoded_len(data.len())).sum()
}

fn statuses<'a>(records: impl IntoIterator<Item = &'a Plain>) -> usize {
    records.into_iter().map(|(_, id, _)| STATUS_ENTRY_BYTES + id.len()).sum()
}

fn split(model: &mut VecDeque<Plain>, records: usize, bytes: usize, status_bytes: usize) -> VecDeque<Plain> {
    let within = |count: &usize| {
        let batch = || model.iter().take(*count);
        *count <= records && encoded(batch()) <= bytes && statuses(batch()) <= status_bytes
    };
    let count = (1..=model.len()).take_while(within).count().max(1).min(model.len());
    model.drain(..count).collect()
}

fn agree(queue: &RecordQueue, arena: &Arena, model: &VecDeque<Plain>) {
    assert_eq!(queue.len(), model.len());
    assert_eq!(queue.is_empty(), model.is_empty());
    assert_eq!(queue.encoded(), encoded(model));
    assert_eq!(queue.statuses(), statuses(model));
    assert_eq!(queue.iter(arena).count(), model.len());
    for (record, plain) in queue.iter(arena).zip(model) {
        check(record, arena, plain);
    }
}

proptest! {
    #![proptest_config(crate::cases(150))]
    #[test]
    fn a_queue_of_records_is_a_queue(
        blocks in 1..300_usize,
        operations in proptest::collection::vec(operation(), 1..60),
    ) {
        let mut arena = Arena::new(blocks * 256);
        let (mut queue, mut model) = (RecordQueue::default(), VecDeque::new());
        for (number, operation) in operations.into_iter().enumerate() {
            match operation {
                Operation::Push { data, id, piece } => {
                    let letter = b'a' + u8::try_from(number % 26).unwrap();
                    let data: Vec<u8> = (0..data).map(|place| u8::try_from(place * 7 % 251).unwrap() ^ letter).collect();
                    let plain = (data, char::from(letter).to_string().repeat(id), number as u64 * 1_000_000_007);
                    let needed = (33 + plain.0.len() + plain.1.len()).div_ceil(PAYLOAD);
                    let free = arena.free();
                    let written = write(&mut arena, &plain, piece);
                    prop_assert_eq!(written.is_ok(), needed <= free);
                    prop_assert_eq!(arena.free(), free - if written.is_ok() { needed } else { 0 });
                    if let Ok(record) = written {
                        queue.push(&mut arena, record);
                        model.push_back(plain);
                    }
                }
                Operation::Pop => {
                    let (record, plain) = (queue.pop(&arena), model.pop_front());
                    prop_assert_eq!(record.is_some(), plain.is_some());
                    if let (Some(record), Some(plain)) = (record, plain) {
                        check(record, &arena, &plain);
                        record.release(&mut arena);
                    }
                }
                Operation::Split { records, bytes, statuses, back } => {
                    let mut cut = Cut::new(Packing::OFF);
                    cut.fill(&mut queue, &mut arena, records, bytes, statuses);
                    prop_assert_eq!((cut.packs, cut.encoded), (cut.records.len(), cut.records.encoded()));
                    let mut batch = cut.records;
                    let mut plain = split(&mut model, records, bytes, statuses);
                    agree(&batch, &arena, &plain);
                    while let Some(record) = batch.pop(&arena) {
                        if back {
                            queue.push(&mut arena, record);
                            model.extend(plain.pop_front());
                        } else {
                            record.release(&mut arena);
                        }
                    }
                }
            }
            agree(&queue, &arena, &model);
        }
        while let Some(record) = queue.pop(&arena) {
            record.release(&mut arena);
        }
        prop_assert_eq!(arena.free(), blocks);
    }
}
