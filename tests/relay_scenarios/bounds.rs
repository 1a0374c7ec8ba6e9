//! What happens when something is full, and that it ends.

use firehose_connector::limits::{STATUS_QUEUE_BYTES_MIN, STREAMS};
use firehose_connector::relay::Accepted;
use firehose_connector::relay::arena::Arena;
use firehose_connector::relay::message::JSON_TOPIC;

use crate::support::scenario::{ARN, Broker, DEFAULT, MIB, Scenario, Setup};

fn fail(code: &str, sentence: &str, id: &str) -> String {
    format!(
        r#"{{"response": [{{"ErrorCode": "{code}", "ErrorMessage": "{sentence}", "id": "{id}", "status": "fail"}}]}}"#
    )
}

#[test]
fn a_full_queue_refuses_new_records_of_its_stream_and_keeps_what_it_has() {
    let mut s = Scenario::new(Setup { queue_size: 2000, ..Setup::default() });
    for _ in 0..2000 {
        assert_eq!(s.publish_binary("", b"x"), Accepted::Held);
    }
    let batch = s.expect_sent(DEFAULT);
    assert_eq!(batch.data.len(), 500, "records in flight count too");
    assert_eq!(s.publish_json("7", "y"), Accepted::Failed);
    let sentence = "the delivery stream holds 2000 records already, its DeliveryStreamQueueSize";
    s.expect_status(&fail("QueueFull", sentence, "7"));
    assert_eq!(s.publish_to("other", "8", "y"), Accepted::Held);
    s.deliver(batch);
    s.take_statuses();
    assert_eq!(s.expect_sent(DEFAULT).data, vec![b"x"; 500]);
    for _ in 0..500 {
        assert_eq!(s.publish_binary("", b"x"), Accepted::Held);
    }
    assert_eq!(s.publish_json("9", "y"), Accepted::Failed);
    s.take_statuses();
}

#[test]
fn records_that_are_tried_again_keep_their_place_in_the_queues_count() {
    let mut s = Scenario::new(Setup { queue_size: 3, interval: 1, ..Setup::default() });
    for data in ["a", "b", "c"] {
        s.publish_json("", data);
    }
    let batch = s.at(1_000).expect_sent(DEFAULT);
    s.fail(batch);
    assert_eq!(s.publish_json("", "d"), Accepted::Failed);
    s.take_statuses();
    s.wait();
    s.expect_batch(DEFAULT, &["a", "b", "c"]);
}

#[test]
fn full_memory_refuses_records_while_held_ones_go_on() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 900, ..Setup::default() });
    let mut held = 0;
    while s.publish_to(["a", "b"][held % 2], "1", &"x".repeat(100_000)) == Accepted::Held {
        held += 1;
    }
    assert!((15..21).contains(&held), "{held} of 100 KB in 2 MiB");
    s.expect_status(&fail("MemoryFull", "the memory for records is used up, see MemorySize", "1"));
    assert_eq!(s.publish_to("c", "2", &"x".repeat(90_000)), Accepted::Failed, "no stream has a share of its own");
    s.take_statuses();
    s.drain();
    let (a, b) = (s.expect_sent("a"), s.expect_sent("b"));
    let hundred_kilobytes = vec![1; 100_000];
    assert_eq!(s.publish_binary("", &hundred_kilobytes), Accepted::Failed, "records in flight are still held");
    s.deliver(a);
    assert_eq!(s.publish_binary("", &hundred_kilobytes), Accepted::Held);
    let c = s.expect_sent(DEFAULT);
    s.deliver(b);
    s.deliver(c);
    s.take_statuses();
    assert_eq!(s.relay().held(), 0);
}

#[test]
fn a_record_that_did_not_fit_gives_its_memory_back() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 900, ..Setup::default() });
    s.publish_binary("", &vec![1; 1_000_000]);
    let free = s.relay().arena().free();
    for _ in 0..3 {
        assert_eq!(s.publish_binary("", &vec![1; 1_000_000]), Accepted::Failed);
        assert_eq!(s.publish_json("", &"\n".repeat(1_000_000)), Accepted::Failed);
        assert_eq!(s.publish_binary("", &vec![1; 1_024_001]), Accepted::Failed);
    }
    s.take_statuses();
    assert_eq!(s.relay().arena().free(), free);
}

#[test]
fn streams_beyond_the_table_are_refused_until_one_of_them_is_empty() {
    let mut s = Scenario::new(Setup { interval: 900, ..Setup::default() });
    for stream in 1..STREAMS {
        assert_eq!(s.publish_to(&format!("s{stream}"), "", "x"), Accepted::Held);
    }
    assert_eq!(s.publish_to("late", "7", "x"), Accepted::Failed);
    let sentence = "records for 32 delivery streams are held already, send to fewer at a time";
    s.expect_status(&fail("TooManyDeliveryStreams", sentence, "7"));
    assert_eq!(s.publish_to("s1", "", "y"), Accepted::Held);
    assert_eq!(s.publish_json("", "z"), Accepted::Held, "the default stream has a place of its own");
    for _ in 0..500 {
        s.publish_to("s9", "", "x");
    }
    let batch = s.expect_sent("s9");
    assert_eq!(s.publish_to("late", "8", "x"), Accepted::Failed);
    s.deliver(batch);
    assert_eq!(s.publish_to("late", "9", "x"), Accepted::Failed, "one record of s9 still waits");
    s.drain();
    let mut last = None;
    while let Some(sent) = s.take_sent() {
        if sent.stream == "s9" {
            last = Some(sent);
            break;
        }
        s.deliver(sent);
    }
    s.deliver(last.unwrap());
    assert_eq!(s.publish_to("late", "10", "x"), Accepted::Held);
    while s.take_sent().is_some() {}
    s.take_statuses();
}

#[test]
fn a_refused_record_leaves_no_stream_behind() {
    let mut s = Scenario::new(Setup { interval: 900, ..Setup::default() });
    for stream in 0..2 * STREAMS {
        let payload = format!(r#"{{"request": {{"data": "\ud800", "delivery_stream_arn": "{ARN}s{stream}"}}}}"#);
        assert_eq!(s.publish(JSON_TOPIC, payload.as_bytes()), Accepted::Failed);
    }
    assert_eq!(s.publish_to("good", "", "x"), Accepted::Held);
    s.take_statuses();
}

#[test]
fn a_permanently_refused_stream_leaves_the_table() {
    let mut s = Scenario::new(Setup { interval: 0, ..Setup::default() });
    for stream in 0..10 * STREAMS {
        let name = format!("s{stream}");
        assert_eq!(s.publish_to(&name, "", "x"), Accepted::Held);
        let batch = s.expect_sent(&name);
        s.reject(batch, "ResourceNotFoundException", "none of that name");
    }
    s.take_statuses();
}

#[test]
fn memory_goes_back_when_a_backlog_has_drained() {
    for arena in [STATUS_QUEUE_BYTES_MIN + 512 * 1024, 4 * MIB, 48 * MIB] {
        let mut s =
            Scenario::new(Setup { arena, queue_size: 100_000, interval: 900, connections: 1, ..Setup::default() });
        let all = s.relay().arena().free();
        assert_eq!(s.relay().arena().blocks(), all);
        let mut batches = Vec::new();
        while s.publish_binary("some id", &[7; 3_000]) == Accepted::Held {
            batches.extend(s.take_sent());
        }
        let full = s.relay().arena().mapped();
        assert!(full > arena / 2, "{full} of {arena}");
        s.drain();
        batches.extend(s.take_sent());
        while let Some(batch) = batches.pop() {
            s.deliver(batch);
            batches.extend(s.take_sent());
        }
        s.take_statuses();
        assert_eq!((s.relay().held(), s.relay().lost_statuses()), (0, 0));
        assert_eq!(s.relay().arena().free(), all);
        let mapped = s.relay().arena().mapped();
        let segment = (arena / 64).next_power_of_two().max(64 * 1024);
        assert!(mapped <= segment, "{mapped} bytes of {arena} are still mapped");
    }
}

#[test]
fn what_a_few_records_used_stays_mapped_and_what_many_used_does_not() {
    let mut arena = Arena::new(48 * MIB);
    for (blocks, stays) in [(256, true), (257, false)] {
        let taken: Vec<_> = (0..blocks).map(|_| arena.take().unwrap()).collect();
        taken.into_iter().for_each(|block| arena.release(block));
        assert_eq!(arena.mapped() > 0, stays, "{blocks} blocks of 256 bytes");
    }
}

#[test]
fn touched_memory_stays() {
    let mut s = Scenario::new(Setup { arena: 4 * MIB, interval: 0, ..Setup::default() });
    s.touch();
    assert_eq!(s.relay().arena().mapped(), 4 * MIB);
    for _ in 0..4 {
        s.publish_binary("", &vec![1; 1_000_000]);
    }
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.take_statuses();
    assert_eq!(s.relay().arena().mapped(), 4 * MIB);
}

#[test]
fn hostile_input_while_everything_is_full_holds_nothing() {
    let mut s = Scenario::new(Setup { arena: 2 * MIB, interval: 900, queue_size: 2000, ..Setup::default() });
    while s.publish_binary("", &[0; 900]) == Accepted::Held {
        while s.take_sent().is_some() {}
    }
    s.broker(Broker::Away);
    let mapped = s.relay().arena().mapped();
    for round in 0..5_000_u32 {
        s.publish("kinesisfirehose/message", &round.to_be_bytes());
        s.publish_to(&format!("s{round}"), &"i".repeat(1_000), &"x".repeat(2_000));
        s.publish_binary(&"\u{1}".repeat(5_000), &[0; 900]);
    }
    assert!(s.relay().arena().mapped() <= mapped.max(2 * MIB));
    assert!(s.relay().lost_statuses() > 0);
    s.broker(Broker::Takes).take_statuses();
}
