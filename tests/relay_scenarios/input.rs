//! What a publish becomes.

use firehose_connector::limits::RECORD_BYTES;
use firehose_connector::relay::Accepted;
use firehose_connector::relay::message::{BINARY_TOPIC, JSON_TOPIC};

use crate::support::compact;
use crate::support::scenario::{ARN, DEFAULT, MIB, Scenario, Setup, delivered};

/// A scenario in which each record is sent at once.
fn direct() -> Scenario {
    Scenario::new(Setup { interval: 0, ..Setup::default() })
}

/// What becomes of one publish, as delivered data or as code and sentence, and its status's id.
fn outcome(topic: &str, payload: &[u8]) -> (Result<Vec<u8>, (String, String)>, String) {
    let mut s = direct();
    let accepted = s.publish(topic, payload);
    let data = s.take_sent().map(|sent| {
        let data = sent.data[0].clone();
        s.deliver(sent);
        data
    });
    assert_eq!(accepted == Accepted::Held, data.is_some());
    let message = s.take_statuses().pop().expect("one status for each publish");
    let message: serde_json::Value = serde_json::from_str(&message).unwrap();
    let status = &message["response"][0];
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("status"), if data.is_some() { "success" } else { "fail" });
    (data.ok_or_else(|| (text("ErrorCode"), text("ErrorMessage"))), text("id"))
}

fn refused(payload: &str) -> (String, String, String) {
    let (result, id) = outcome(JSON_TOPIC, payload.as_bytes());
    let (code, sentence) = result.expect_err("this is wrong");
    (code, sentence, id)
}

#[test]
fn the_examples_of_the_document_are_delivered() {
    let mut s = direct();
    let arn = format!("{ARN}stream2-name");
    let example = r#"{ "request": { "delivery_stream_arn": "ARN", "data": "Data to send to the delivery stream." }, "id": "request123" }"#;
    s.publish(JSON_TOPIC, example.replace("ARN", &arn).as_bytes());
    let batch = s.expect_batch("stream2-name", &["Data to send to the delivery stream."]);
    s.answer(batch, &[delivered("xyz2")]);
    s.expect_status(r#"{ "response": [ { "firehose_record_id": "xyz2", "id": "request123", "status": "success" } ] }"#);
    s.publish(JSON_TOPIC, br#"{"request": {"data": "Message from Firehose Connector Test"}, "id": "req_123"}"#);
    let batch = s.expect_batch(DEFAULT, &["Message from Firehose Connector Test"]);
    s.answer(batch, &[delivered("xyz3")]);
    s.expect_status(r#"{ "response": [ { "firehose_record_id": "xyz3", "id": "req_123", "status": "success" } ] }"#);
    s.publish("kinesisfirehose/message/binary/request123", b"\x00\xff");
    let batch = s.take_sent().unwrap();
    assert_eq!(batch.data, [b"\x00\xff"]);
    s.answer(batch, &[delivered("xyz4")]);
    s.expect_status(r#"{ "response": [ { "firehose_record_id": "xyz4", "id": "request123", "status": "success" } ] }"#);
}

#[test]
fn an_absent_id_and_an_empty_one_are_answered_with_an_empty_one() {
    for payload in [r#"{"request": {"data": "a"}}"#, r#"{"request": {"data": "a"}, "id": ""}"#] {
        assert_eq!(outcome(JSON_TOPIC, payload.as_bytes()), (Ok(b"a".to_vec()), String::new()));
    }
}

#[test]
fn binary_topics_with_and_without_slash_carry_no_id() {
    for topic in [BINARY_TOPIC, &format!("{BINARY_TOPIC}/")] {
        assert_eq!(outcome(topic, b"\"{}"), (Ok(b"\"{}".to_vec()), String::new()));
    }
}

#[test]
fn the_id_of_a_binary_message_is_all_of_the_topic_after_binary() {
    for id in ["a", "a/b//c/", "/", "r\u{e9}sum\u{e9} \u{1f980}", "\"quoted\" \\ \u{1}\u{7f}"] {
        assert_eq!(outcome(&format!("{BINARY_TOPIC}/{id}"), b"x"), (Ok(b"x".to_vec()), id.to_owned()));
    }
}

#[test]
fn an_id_of_any_content_comes_back_exactly_as_it_was_written() {
    let long = "x".repeat(64 * 1024 - 2);
    for id in [
        r#""quote \" backslash \\ slash \/ nul \u0000 \b\f\n\r\t""#,
        "\"\u{1f980} r\u{e9}sum\u{e9} \u{2028} \u{7f}\"",
        r#""\ud83e\udd80 \ud800 alone""#,
        r#"" blanks  stay ""#,
        &format!("\"{long}\""),
        &format!("\"{}\"", r"\u0000".repeat(10_922)),
    ] {
        let mut s = direct();
        s.publish(JSON_TOPIC, format!(r#"{{"id" : {id} , "request": {{"data": "a"}}}}"#).as_bytes());
        let batch = s.expect_batch(DEFAULT, &["a"]);
        s.answer(batch, &[delivered("r")]);
        let expected = format!(r#"{{"response":[{{"firehose_record_id":"r","id":{id},"status":"success"}}]}}"#);
        assert!(s.take_statuses() == [expected], "{id:.40}");
        s.publish(JSON_TOPIC, format!(r#"{{"id":{id},"request":{{}}}}"#).as_bytes());
        assert!(s.take_statuses()[0].contains(&format!(r#""id":{id},"status":"fail""#)), "{id:.40}");
    }
}

#[test]
fn an_id_that_is_too_long_to_answer_is_refused_on_both_topics() {
    let id = "x".repeat(64 * 1024 - 1);
    let payload = format!(r#"{{"request": {{"data": "a"}}, "id": "{id}"}}"#);
    let (code, sentence, answered) = refused(&payload);
    assert_eq!((code.as_str(), answered.as_str()), ("InvalidMessage", ""));
    assert_eq!(sentence, "the id is 65537 bytes of JSON, at most 65536 can be answered");
    let (result, answered) = outcome(&format!("{BINARY_TOPIC}/{}", "\"".repeat(32_768)), b"x");
    let (code, sentence) = result.unwrap_err();
    assert_eq!((code.as_str(), answered.as_str()), ("InvalidMessage", ""));
    assert_eq!(sentence, "the id is 65538 bytes of JSON, at most 65536 can be answered");
    let (result, answered) = outcome(&format!("{BINARY_TOPIC}/{}", "\"".repeat(32_767)), b"x");
    assert!(result.is_ok() && answered == "\"".repeat(32_767));
}

#[test]
fn an_id_too_long_to_answer_is_refused_even_without_room_for_the_record() {
    let mut s = Scenario::new(Setup { queue_size: 1, ..Setup::default() });
    s.publish_json("1", "a");
    s.publish(&format!("{BINARY_TOPIC}/{}", "\u{1}".repeat(60_000)), b"b");
    assert_eq!(s.take_statuses().len(), 1);
    assert_eq!(s.relay().lost_statuses(), 0);
}

#[test]
fn strings_are_delivered_as_utf8() {
    let payload = r#"{"request": {"data": "\u0000 \ud83e\udd80 🦀 \/ \\ \" \b\f\n\r\t é"}, "id": ""}"#;
    let data = "\0 🦀 🦀 / \\ \" \x08\x0c\n\r\t é".as_bytes().to_vec();
    assert_eq!(outcome(JSON_TOPIC, payload.as_bytes()).0, Ok(data));
}

#[test]
fn empty_data_is_delivered_as_an_empty_record() {
    assert_eq!(outcome(JSON_TOPIC, br#"{"request": {"data": ""}, "id": "e"}"#), (Ok(vec![]), "e".to_owned()));
    assert_eq!(outcome("kinesisfirehose/message/binary/e", b""), (Ok(vec![]), "e".to_owned()));
}

#[test]
fn a_record_of_the_largest_size_is_delivered_and_one_byte_more_is_refused() {
    for (size, fits) in [(RECORD_BYTES, true), (RECORD_BYTES + 1, false), (6 * MIB, false)] {
        let (result, id) = outcome("kinesisfirehose/message/binary/big", &vec![0xfe; size]);
        assert_eq!((result.is_ok(), id.as_str()), (fits, "big"));
        if let Err((code, sentence)) = result {
            assert_eq!(code, "RecordTooLarge");
            assert_eq!(sentence, "the data is larger than 1024000 bytes, the most that a record may hold");
        }
    }
}

#[test]
fn the_size_of_json_data_is_its_decoded_length() {
    for (piece, bytes) in [(r"\u0001", 1), (r"\/", 1), (r"\u00e9", 2), (r"\ud83e\udd80", 4), ("🦀", 4)] {
        let text = piece.repeat(RECORD_BYTES / bytes);
        let (result, _) = outcome(JSON_TOPIC, format!(r#"{{"request": {{"data": "{text}"}}}}"#).as_bytes());
        assert_eq!(result.map(|data| data.len()), Ok(RECORD_BYTES), "{piece}");
        let (result, _) = outcome(JSON_TOPIC, format!(r#"{{"request": {{"data": "{text}x"}}}}"#).as_bytes());
        assert_eq!(result.unwrap_err().0, "RecordTooLarge", "{piece}");
    }
}

#[test]
fn an_override_arn_goes_to_its_own_stream_in_any_spelling() {
    let mut s = direct();
    for arn in [format!("{ARN}other"), ARN.replace('/', r"\/") + "other", format!(r"\u0061{}\u006fther", &ARN[1..])] {
        s.publish(JSON_TOPIC, format!(r#"{{"request": {{"data": "a", "delivery_stream_arn": "{arn}"}}}}"#).as_bytes());
        let batch = s.expect_batch("other", &["a"]);
        s.deliver(batch);
    }
    s.publish_to(DEFAULT, "", "b");
    s.expect_batch(DEFAULT, &["b"]);
    s.take_statuses();
}

#[test]
fn a_wrong_arn_is_named_with_what_is_wrong_and_the_id_kept() {
    for (arn, wrong) in [
        ("", "not of the form arn:aws:firehose:region:account:deliverystream/name"),
        ("arn:aws:firehose:eu-west-1:123456789012", "not of the form"),
        ("arn:aws:kinesis:eu-west-1:123456789012:deliverystream/x", "the service must be firehose"),
        ("arn:aws:firehose:eu-west:123456789012:deliverystream/x", "the region must look like eu-west-1"),
        ("arn:aws:firehose:eu-west-1:12345678901:deliverystream/x", "the account must be 12 digits"),
        ("arn:aws:firehose:eu-west-1:123456789012:stream/x", "the resource must be deliverystream/ and a name"),
        ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/x y", "the resource must be deliverystream/"),
    ] {
        let payload = format!(r#"{{"request": {{"data": "a", "delivery_stream_arn": "{arn}"}}, "id": "7"}}"#);
        let (code, sentence, id) = refused(&payload);
        assert_eq!((code.as_str(), id.as_str()), ("InvalidDeliveryStreamArn", "7"));
        let named = format!(r#"the property request.delivery_stream_arn is "{arn}": "#);
        assert!(sentence.starts_with(&named) && sentence[named.len()..].starts_with(wrong), "{sentence}");
    }
}

#[test]
fn a_hostile_arn_is_shown_in_part() {
    let arn = "\\u0001".repeat(100_000);
    let payload = format!(r#"{{"request": {{"data": "a", "delivery_stream_arn": "{arn}"}}, "id": "7"}}"#);
    let (code, sentence, id) = refused(&payload);
    assert_eq!((code.as_str(), id.as_str()), ("InvalidDeliveryStreamArn", "7"));
    assert!(sentence.len() < 400, "{sentence}");
}

#[test]
fn half_a_surrogate_pair_is_refused_with_its_property() {
    let words = r"has half of a surrogate pair (\ud800 to \udfff), which is no character";
    let (code, sentence, id) = refused(r#"{"request": {"data": "x\ud800"}, "id": "7"}"#);
    assert_eq!((code.as_str(), id.as_str()), ("InvalidMessage", "7"));
    assert_eq!(sentence, format!("the property request.data {words}"));
    let payload = format!(r#"{{"request": {{"data": "x", "delivery_stream_arn": "{ARN}\udc00"}}, "id": "7"}}"#);
    let (code, sentence, id) = refused(&payload);
    assert_eq!((code.as_str(), id.as_str()), ("InvalidDeliveryStreamArn", "7"));
    assert!(
        sentence
            .starts_with(&format!(r#"the property request.delivery_stream_arn is "{ARN}\udc00": not of the form "#))
    );
}

#[test]
fn a_bad_message_fails_with_what_is_wrong_and_its_id() {
    for (payload, expected) in [
        (r#"{"id": "7"}"#, "the property request is missing"),
        (r#"{"request": {}, "id": "7"}"#, "the property request.data is missing"),
        (r#"{"request": {"data": 5}, "id": "7"}"#, "the property request.data must be a string, it is a number"),
        (r#"{"id": "7", "request": "#, "the message is not valid JSON: EOF while parsing"),
    ] {
        let (code, sentence, id) = refused(payload);
        assert_eq!((code.as_str(), id.as_str()), ("InvalidMessage", "7"), "{payload}");
        assert!(sentence.starts_with(expected), "{sentence}");
    }
}

#[test]
fn a_nesting_bomb_is_a_bad_message() {
    let (code, sentence, _) = refused(&"[".repeat(1_000_000));
    assert_eq!(code, "InvalidMessage");
    assert_eq!(sentence, "the message nests arrays or objects more than 128 levels deep");
}

#[test]
fn a_topic_that_is_not_utf8_is_answered() {
    let mut s = direct();
    assert_eq!(s.publish_raw(b"kinesisfirehose/message/binary/\xff", b"x"), Accepted::Failed);
    s.expect_status(
        r#"{"response": [{"ErrorCode": "InvalidMessage", "ErrorMessage": "the topic is not UTF-8", "id": "", "status": "fail"}]}"#,
    );
}

#[test]
fn other_topics_are_ignored() {
    let mut s = direct();
    for topic in ["kinesisfirehose/message/status", "kinesisfirehose/message/", "kinesisfirehose/message/binaryx", "a"]
    {
        assert_eq!(s.publish(topic, b"{}"), Accepted::NotOurs);
    }
    assert_eq!(s.relay().counters().received, 0);
}

#[test]
fn white_space_in_strings_survives_the_comparison_of_statuses() {
    assert_eq!(compact("{ \"a b\" : [ \"c\\\" d\" ] }"), "{\"a b\":[\"c\\\" d\"]}");
}

#[test]
fn a_publish_above_the_packet_limit_fails_with_the_id_in_its_first_bytes() {
    let long = "i".repeat(50_000);
    for (topic, topic_cut, begin, id) in [
        (format!("{BINARY_TOPIC}/a/b"), false, "\0\u{1}", "a/b"),
        (BINARY_TOPIC.to_owned(), false, "", ""),
        (format!("{BINARY_TOPIC}/{long}"), false, "", &*long),
        (format!("{BINARY_TOPIC}/{long}"), true, "", ""),
        (JSON_TOPIC.to_owned(), false, r#"{"id": "7", "request": {"data": "xxx"#, "7"),
        (JSON_TOPIC.to_owned(), false, r#"{"n": [1, {"id": "no"}], "id": "7", "request": {"da"#, "7"),
        (JSON_TOPIC.to_owned(), false, r#"{"request": {"data": "xxx"#, ""),
        (JSON_TOPIC.to_owned(), false, r#"{"request": {"id": "no", "data": "xxx"#, ""),
        (JSON_TOPIC.to_owned(), false, r#"{"id": "7"#, ""),
        (JSON_TOPIC.to_owned(), false, r#"{"id": 7, "#, ""),
        (JSON_TOPIC.to_owned(), false, "not JSON", ""),
        (JSON_TOPIC.to_owned(), false, "", ""),
    ] {
        let mut s = direct();
        assert_eq!(s.publish_too_long(topic.as_bytes(), topic_cut, begin.as_bytes(), 400_000), Accepted::Failed);
        let sentence = "the publish is 400000 bytes long, at most 100000 are taken, see MemorySize";
        let status = format!(r#""ErrorCode":"RecordTooLarge","ErrorMessage":"{sentence}","id":"{id}","status":"fail""#);
        assert_eq!(s.take_statuses(), [format!(r#"{{"response":[{{{status}}}]}}"#)], "{topic} {begin}");
        assert_eq!(s.relay().counters().failed_invalid, 1);
    }
}

#[test]
fn a_publish_above_the_packet_limit_on_a_foreign_topic_is_not_answered() {
    let mut s = direct();
    for (topic, topic_cut) in [(&b"other/topic"[..], false), (b"other/topic\xc3", true), (b"", false)] {
        assert_eq!(s.publish_too_long(topic, topic_cut, b"{", 400_000), Accepted::NotOurs);
    }
    assert_eq!(s.publish_too_long(b"kinesisfirehose/message/binary/\xc3", true, b"", 400_000), Accepted::Failed);
    assert!(s.take_statuses()[0].contains(r#""id":"""#));
    assert_eq!(s.relay().counters().received, 1);
}
