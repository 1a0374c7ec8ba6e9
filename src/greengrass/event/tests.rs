use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1000;

fn event(payload: &str) -> Frame {
    Frame { payload: Bytes::copy_from_slice(payload.as_bytes()), ..Frame::default() }
}

/// Topic and payload.
fn read(payload: &str) -> Option<(String, Vec<u8>)> {
    let Received { topic, payload, token, too_long } = received(&event(payload), "some/+/filter", LIMIT)?;
    assert_eq!((token, too_long), (None, None), "there is nothing to acknowledge");
    Some((String::from_utf8(topic.to_vec()).unwrap(), payload.to_vec()))
}

#[test]
fn a_json_message_comes_as_its_text_whichever_way_round() {
    let topic = "kinesisfirehose/message";
    let expected = Some((topic.to_owned(), br#"{"request": {"data": "x"}}"#.to_vec()));
    let context = r#""context": {"topic": "kinesisfirehose/message"}"#;
    let message = r#""message": {"request": {"data": "x"}}"#;
    assert_eq!(read(&format!(r#"{{"jsonMessage": {{{message}, {context}}}}}"#)), expected);
    assert_eq!(read(&format!(r#"{{"jsonMessage":{{{context},{message}}}, "binaryMessage2": 1}}"#)), expected);
}

#[test]
fn a_message_that_looks_like_its_envelope_is_no_part_of_it() {
    let inner = r#"{"a":{"message":1,"context":{"topic":"kinesisfirehose/message"}}}"#;
    let filter = "some/+/filter";
    for (envelope, topic) in [
        (r#"{"jsonMessage":{"message":MESSAGE,"context":{"topic":"kinesisfirehose/message"}}}"#, JSON_TOPIC),
        (r#"{"jsonMessage":{"message":MESSAGE,"context":{"topic":"kinesisfirehose\/message"}}}"#, JSON_TOPIC),
        (r#"{"jsonMessage":{"message":MESSAGE,"context":{"topic":"other"}}}"#, "other"),
        (r#"{"jsonMessage":{"context":{"topic":"kinesisfirehose/message"},"message":MESSAGE}}"#, JSON_TOPIC),
        (r#"{"jsonMessage":{"message":MESSAGE}}"#, filter),
        (r#"{"jsonMessage":{"message":MESSAGE,"more":1,"context":{"topic":"kinesisfirehose/message"}}}"#, JSON_TOPIC),
    ] {
        assert_eq!(read(&envelope.replace("MESSAGE", inner)), Some((topic.to_owned(), inner.into())), "{envelope}");
    }
}

#[test]
fn a_binary_message_and_one_of_iot_core_come_decoded_with_their_topic() {
    for (base64, bytes) in [("AAH/", &b"\0\x01\xff"[..]), ("eA\\u003d\\u003d", b"x"), ("eA==", b"x"), ("", b"")] {
        let local = format!(r#"{{"binaryMessage": {{"message": "{base64}", "context": {{"topic": "a\/b"}}}}}}"#);
        let cloud = format!(r#"{{"message": {{"topicName": "a/b", "payload": "{base64}"}}}}"#);
        assert_eq!(read(&local), Some(("a/b".to_owned(), bytes.to_vec())), "{base64}");
        assert_eq!(read(&cloud), Some(("a/b".to_owned(), bytes.to_vec())), "{base64}");
    }
}

#[test]
fn without_a_topic_it_is_that_of_the_subscription() {
    let (topic, _) = read(r#"{"binaryMessage": {"message": "AAH/"}}"#).unwrap();
    assert_eq!(topic, "some/+/filter");
}

#[test]
fn what_has_another_shape_is_no_publish() {
    for payload in [
        "",
        "{}",
        "[]",
        r#"{"jsonMessage": 1}"#,
        r#"{"binaryMessage": {"message": "not base64!"}}"#,
        r#"{"binaryMessage": {"message": 1}}"#,
        r#"{"message": {"topicName": "a"}}"#,
        r#"{"message": "AAH/"}"#,
    ] {
        assert_eq!(read(payload), None, "{payload}");
    }
}

#[test]
fn of_a_message_above_the_limit_its_begin_and_the_subscription_tell_whose_it_is() {
    let begin = r#"{"jsonMessage":{"message":{"id": "7", "request": {"data": "xxx"#;
    let frame = Frame { too_long: Some(5000), ..event(begin) };
    let Received { topic, payload, too_long, .. } = received(&frame, "kinesisfirehose/message", LIMIT).unwrap();
    assert_eq!(topic, "kinesisfirehose/message");
    assert_eq!(payload, &begin[26..]);
    assert_eq!(too_long, Some(TooLong { bytes: 5000, limit: LIMIT, topic_cut: true }));
    let binary = received(&frame, "kinesisfirehose/message/binary/#", LIMIT).unwrap();
    assert_eq!(binary.topic, BINARY_TOPIC);
}

#[test]
fn an_error_has_its_name_and_words_of_either_nucleus_and_says_whether_it_stays() {
    let fault = |model: &'static str, payload| {
        Fault::of(&Frame { model: Bytes::from_static(model.as_bytes()), ..event(payload) })
    };
    let classic = fault("aws.greengrass#UnauthorizedError", r#"{"message": "Principal x is not\n authorized"}"#);
    assert_eq!(classic.to_string(), r"UnauthorizedError: Principal x is not\n authorized");
    assert!(classic.is_for_good(false) && !classic.is_for_good(true));
    let lite = fault("aws.greengrass#ServiceError", r#"{"_message": "Failed.", "_errorCode": "ServiceError"}"#);
    assert_eq!(lite.to_string(), "ServiceError: Failed.");
    assert!(!lite.is_for_good(false));
    assert_eq!(fault("", "").to_string(), "an error without a name");
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in r#"[\{\}\[\]",:\\ a-z/=]{0,60}"#, name in 0..4_usize) {
        let name = ["jsonMessage", "binaryMessage", "message", "x"][name];
        let payload = format!(r#"{{"{name}": {text}}}"#);
        let _: Option<Received> = received(&event(&payload), "f", LIMIT);
        let _: Fault = Fault::of(&event(&payload));
    }
}
