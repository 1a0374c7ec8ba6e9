//! The queue of statuses against a list of texts.

use std::collections::VecDeque;

use firehose_connector::relay::arena::{Arena, PAYLOAD};
use firehose_connector::relay::status::{Id, Status};
use firehose_connector::relay::status_queue::StatusQueue;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Operation {
    Success { record_id: String, id: String },
    Rejected { code: String, message: String, id: String },
    Message { limit: usize },
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "\\PC{0,20}", "[\\x00-\\x7f]{0,10}", "[x]{150,300}"]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (text(), text()).prop_map(|(record_id, id)| Operation::Success { record_id, id }),
        3 => (text(), text(), text()).prop_map(|(code, message, id)| Operation::Rejected { code, message, id }),
        1 => (0..2_000_usize).prop_map(|limit| Operation::Message { limit }),
        1 => Just(Operation::Message { limit: 128 * 1024 }),
    ]
}

/// Entries in order, and where they begin and end in a chain of blocks.
struct Model {
    version: u8,
    entries: VecDeque<String>,
    begin: usize,
    end: usize,
    most: usize,
    lost: u64,
}

impl Model {
    fn push(&mut self, entry: String) {
        let end = self.end + entry.len() + 1;
        if end.div_ceil(PAYLOAD) > self.most {
            self.lost += 1;
        } else {
            self.end = end;
            self.entries.push_back(entry);
        }
    }

    fn assemble(&self, entries: &[String]) -> String {
        if self.version == 1 { entries.concat() } else { format!(r#"{{"response":[{}]}}"#, entries.join(",")) }
    }

    fn message(&mut self, limit: usize) -> (usize, String) {
        let mut entries: Vec<String> = Vec::new();
        while let Some(entry) = self.entries.front().cloned() {
            let longer = [&entries[..], core::slice::from_ref(&entry)].concat();
            if self.assemble(&longer).len() <= limit {
                entries = longer;
            } else if entries.is_empty() {
                self.lost += 1;
            } else {
                break;
            }
            self.entries.pop_front();
            self.begin += entry.len() + 1;
            // A block is given back when the entry read last ended in a later one.
            let gone = (self.begin - 1) / PAYLOAD * PAYLOAD;
            (self.begin, self.end) = (self.begin - gone, self.end - gone);
            if self.version == 1 && !entries.is_empty() {
                break;
            }
        }
        if self.entries.is_empty() {
            (self.begin, self.end) = (0, 0);
        }
        (entries.len(), if entries.is_empty() { String::new() } else { self.assemble(&entries) })
    }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

proptest! {
    #![proptest_config(crate::cases(300))]
    #[test]
    fn statuses_leave_in_order_in_messages_as_long_as_allowed_and_overflow_is_counted(
        version in prop_oneof![Just(1_u8), Just(2), Just(5)],
        most in 1..12_usize,
        operations in proptest::collection::vec(operation(), 1..60),
    ) {
        let mut arena = Arena::new(64 * 256);
        let mut queue = StatusQueue::new(version, most * 256);
        let mut model = Model { version, entries: VecDeque::new(), begin: 0, end: 0, most, lost: 0 };
        let mut message = Vec::new();
        for operation in operations {
            match operation {
                Operation::Success { record_id, id } => {
                    queue.push(&mut arena, Id::Plain(&id), Status::Success { record_id: &record_id });
                    let (record_id, id) = (json(&record_id), json(&id));
                    model.push(if version == 1 {
                        format!(r#"{{"response":{{"firehose_record_id":{record_id},"status":"success"}},"id":{id}}}"#)
                    } else {
                        format!(r#"{{"firehose_record_id":{record_id},"id":{id},"status":"success"}}"#)
                    });
                }
                Operation::Rejected { code, message, id } => {
                    let id = json(&id);
                    queue.push(&mut arena, Id::Json(&id), Status::Rejected { code: &code, message: &message });
                    model.push(if version == 1 {
                        let call = "when calling the PutRecord operation";
                        let sentence = json(&format!("An error occurred ({code}) {call}: {message}"));
                        let code = json(&code);
                        format!(
                            r#"{{"response":{{"error":{code},"error_message":{sentence},"status":"fail"}},"id":{id}}}"#
                        )
                    } else {
                        let (code, message) = (json(&code), json(&message));
                        format!(r#"{{"ErrorCode":{code},"ErrorMessage":{message},"id":{id},"status":"fail"}}"#)
                    });
                }
                Operation::Message { limit } => {
                    let (entries, text) = model.message(limit);
                    prop_assert_eq!(queue.next_message(&mut arena, limit, &mut message), entries);
                    prop_assert_eq!(str::from_utf8(&message).unwrap(), text);
                }
            }
            prop_assert_eq!(queue.is_empty(), model.entries.is_empty());
            prop_assert_eq!(queue.lost(), model.lost);
            prop_assert_eq!(arena.free() + most, 64 + queue.reserve());
            prop_assert_eq!(queue.reserve(), most - model.end.div_ceil(PAYLOAD));
        }
        while queue.next_message(&mut arena, usize::MAX, &mut message) > 0 {}
        prop_assert_eq!(arena.free(), 64);
    }
}
