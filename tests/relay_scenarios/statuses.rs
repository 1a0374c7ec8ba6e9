//! The form of status messages, and their length.

use firehose_connector::foreign::Secret;
use firehose_connector::limits::{RECORD_BYTES, STATUS_BYTES};

use crate::support::scenario::{Broker, DEFAULT, MIB, Scenario, Setup, delivered, rejected};

#[test]
fn a_batch_is_answered_with_one_array_as_the_document_shows_it() {
    let mut s = Scenario::new(Setup::default());
    for id in ["request123", "request456", "request890"] {
        s.publish_json(id, "x");
    }
    let batch = s.at(10_000).expect_sent(DEFAULT);
    s.answer(batch, &[rejected("error", "test error"), delivered("xyz2"), delivered("xyz3")]);
    s.expect_status(
        r#"{ "response": [ { "ErrorCode": "error", "ErrorMessage": "test error", "id": "request123", "status": "fail" }, { "firehose_record_id": "xyz2", "id": "request456", "status": "success" }, { "firehose_record_id": "xyz3", "id": "request890", "status": "success" } ] }"#,
    );
}

#[test]
fn version_1_answers_each_record_with_one_object_as_the_document_shows_it() {
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.publish_json("request123", "x");
    let batch = s.expect_sent(DEFAULT);
    s.answer(batch, &[delivered("1lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm")]);
    s.expect_status(
        r#"{ "response": { "firehose_record_id": "1lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm", "status": "success" }, "id": "request123" }"#,
    );
    s.publish_json("request123", "x");
    let batch = s.expect_sent(DEFAULT);
    s.reject(batch, "ResourceNotFoundException", "Firehose test1 not found under account 123456789012.");
    s.expect_status(
        r#"{ "response" : { "error": "ResourceNotFoundException", "error_message": "An error occurred (ResourceNotFoundException) when calling the PutRecord operation: Firehose test1 not found under account 123456789012.", "status": "fail" }, "id": "request123" }"#,
    );
}

#[test]
fn a_refusal_that_repeats_the_session_token_does_not_publish_it() {
    const TOKEN: &str = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQD3xyz";
    let _in_use = Secret::new(TOKEN);
    let message = format!("should have been\n'x-amz-security-token:{TOKEN}\n'");
    let mut s = Scenario::new(Setup { interval: 0, ..Setup::default() });
    s.publish_json("1", "x");
    let batch = s.expect_sent(DEFAULT);
    s.answer(batch, &[rejected("error", &message)]);
    s.expect_status(
        r#"{"response": [{"ErrorCode": "error", "ErrorMessage": "should have been\n'x-amz-security-token:[secret]\n'", "id": "1", "status": "fail"}]}"#,
    );
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.publish_json("1", "x");
    let batch = s.expect_sent(DEFAULT);
    s.reject(batch, "error", TOKEN);
    s.expect_status(
        r#"{"response": {"error": "error", "error_message": "An error occurred (error) when calling the PutRecord operation: [secret]", "status": "fail"}, "id": "1"}"#,
    );
}

#[test]
fn version_1_answers_what_it_refuses_itself_in_the_same_shape() {
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.publish("kinesisfirehose/message", b"{}");
    s.expect_status(
        r#"{"response": {"error": "InvalidMessage", "error_message": "the property request is missing", "status": "fail"}, "id": ""}"#,
    );
}

#[test]
fn version_1_never_puts_two_records_in_a_message() {
    let mut s = Scenario::new(Setup { version: 1, interval: 0, ..Setup::default() });
    s.broker(Broker::Away);
    for id in ["1", "2", "3"] {
        s.publish_json(id, "x");
    }
    while let Some(sent) = s.take_sent() {
        s.deliver(sent);
    }
    s.broker(Broker::Takes);
    for id in 1..=3 {
        s.expect_status(&format!(
            r#"{{"response": {{"firehose_record_id": "r0", "status": "success"}}, "id": "{id}"}}"#
        ));
    }
}

#[test]
fn the_statuses_of_a_batch_are_split_at_128_kib_in_its_order() {
    let mut s = Scenario::new(Setup::default());
    let ids: Vec<_> = (0..500).map(|number| format!("{number:03}{}", "i".repeat(600))).collect();
    for id in &ids {
        s.publish_json(id, "x");
    }
    let batch = s.expect_sent(DEFAULT);
    s.deliver(batch);
    let messages = s.take_statuses();
    assert_eq!(messages.len(), 3);
    assert!(messages[..2].iter().all(|message| message.len() > STATUS_BYTES - 1000), "as full as they may be");
    let mut seen = Vec::new();
    for message in messages {
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        seen.extend(
            message["response"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(seen, ids);
}

#[test]
fn a_message_takes_no_more_memory_than_its_bytes_however_many_wait() {
    for (version, interval) in [(1, 0), (5, 0), (5, 1)] {
        let mut s = Scenario::new(Setup { version, interval, ..Setup::default() });
        s.broker(Broker::Away);
        for round in 0..2_000 {
            s.publish_binary(&"i".repeat(round % 300), b"x");
            while let Some(sent) = s.take_sent() {
                s.deliver(sent);
            }
        }
        let (mut messages, mut bytes) = (0, 0);
        loop {
            let mut message = Vec::new();
            if s.next_status(&mut message) == 0 {
                break;
            }
            assert_eq!(message.capacity(), message.len());
            (messages, bytes) = (messages + 1, bytes + message.len());
        }
        assert!(messages > 1 && bytes > 2 * STATUS_BYTES, "{messages} messages of {bytes} bytes");
    }
}

#[test]
fn a_message_may_be_exactly_as_long_as_the_limit() {
    let entry = r#"{"firehose_record_id":"r0","id":"","status":"success"}"#;
    let both = r#"{"response":[,]}"#.len() + 2 * entry.len();
    for (limit, messages) in [(both, 1), (both - 1, 2)] {
        let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
        s.publish_json("", "a");
        s.publish_json("", "b");
        let batch = s.status_limit(limit).at(1_000).expect_sent(DEFAULT);
        s.deliver(batch);
        assert_eq!(s.take_statuses().len(), messages);
    }
}

#[test]
fn a_status_longer_than_the_brokers_own_limit_is_counted_and_the_rest_go_on() {
    let mut s = Scenario::new(Setup { interval: 1, ..Setup::default() });
    s.broker(Broker::Away).status_limit(200);
    s.publish_json("1", "a");
    s.publish_json(&"i".repeat(200), "b");
    s.publish_json("3", "c");
    let batch = s.at(1_000).expect_sent(DEFAULT);
    s.deliver(batch);
    s.broker(Broker::Takes);
    s.expect_status(r#"{"response": [{"firehose_record_id": "r0", "id": "1", "status": "success"}]}"#);
    s.expect_status(r#"{"response": [{"firehose_record_id": "r2", "id": "3", "status": "success"}]}"#);
    assert_eq!(s.relay().lost_statuses(), 1);
}

#[test]
fn a_message_that_became_too_long_is_split() {
    for version in [1, 5] {
        let mut s = Scenario::new(Setup { version, ..Setup::default() });
        let ids = ["a", r#"},{"#, r#"","status":"success"},{"#, r#"\",\"status\":\"fail\"},{\""#, "\n", "\u{e9}"];
        s.broker(Broker::Away);
        for id in ids {
            s.publish_binary(id, &vec![0; RECORD_BYTES + 1]);
        }
        s.broker(Broker::Takes);
        let told = s.take_statuses();
        s.status_limit(400);
        told.iter().for_each(|message| s.give_back(message));
        let again = s.take_statuses();
        assert_eq!((told.len(), again.len()), if version == 1 { (6, 6) } else { (1, 3) });
        let ids_of = |messages: &[String]| -> Vec<String> {
            let parsed = messages.iter().map(|message| serde_json::from_str::<serde_json::Value>(message).unwrap());
            let entries = parsed.flat_map(|message| match &message["response"] {
                serde_json::Value::Array(entries) => entries.clone(),
                _ => vec![message],
            });
            entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids_of(&again), ids);
        assert_eq!(ids_of(&told), ids);
        assert_eq!(s.relay().lost_statuses(), 0);
    }
}

#[test]
fn a_status_longer_than_the_new_brokers_limit_is_counted_as_lost() {
    let mut s = Scenario::new(Setup::default());
    s.publish_binary(&"i".repeat(1000), &vec![0; RECORD_BYTES + 1]);
    let told = s.take_statuses();
    s.status_limit(300);
    s.give_back(&told[0]);
    assert_eq!(s.take_statuses(), Vec::<String>::new());
    assert_eq!(s.relay().lost_statuses(), 1);
}

#[test]
fn a_status_that_comes_back_and_finds_no_room_is_counted_as_lost() {
    let mut s = Scenario::new(Setup { arena: MIB, ..Setup::default() });
    s.publish_binary("id", &vec![0; RECORD_BYTES + 1]);
    let told = s.take_statuses();
    s.broker(Broker::Away);
    while s.relay().lost_statuses() == 0 {
        s.publish("kinesisfirehose/message", b"{}");
    }
    s.give_back(&told[0]);
    assert_eq!(s.relay().lost_statuses(), 2);
    s.broker(Broker::Takes).take_statuses();
}
