//! Each kind of message, right and wrong.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};

use super::{DataSink, Request, Topic, ordinary, parse, parse_any};
use crate::limits::ID_JSON_BYTES;

fn problem(payload: &[u8]) -> (String, String) {
    let (id, request) = parse(payload);
    (id.to_owned(), request.unwrap_err().to_string())
}

#[test]
fn the_example_of_the_document_is_read() {
    let payload = br#"{ "request": { "delivery_stream_arn": "arn:x", "data": "Data to send to the delivery stream." }, "id": "request123" }"#;
    let (id, request) = parse(payload);
    assert_eq!(id, r#""request123""#);
    let expected = Request {
        data: r#""Data to send to the delivery stream.""#,
        delivery_stream_arn: Some(r#""arn:x""#),
        is_data_given: false,
    };
    assert_eq!(request.unwrap(), expected);
}

#[test]
fn the_last_of_two_equal_members_counts_and_unknown_ones_are_ignored() {
    let payload =
        br#"{"x": [1, {"y": "\u00e9"}], "request": {"data": "a", "delivery_stream_arn": "b"}, "id": "1", "id": "2",
        "r\u0065quest": {"data": "c", "z": null}}"#;
    let (id, request) = parse(payload);
    assert_eq!(id, r#""2""#);
    assert_eq!(request.unwrap(), Request { data: r#""c""#, delivery_stream_arn: None, is_data_given: false });
}

#[test]
fn null_for_an_optional_property_is_the_same_as_leaving_it_out() {
    let (id, request) = parse(br#"{"request": {"data": "a", "delivery_stream_arn": null}, "id": null}"#);
    assert_eq!(id, "");
    assert_eq!(request.unwrap().delivery_stream_arn, None);
}

#[test]
fn what_is_wrong_is_named_and_the_id_kept_wherever_it_stands() {
    for (payload, sentence) in [
        (r#"{"id": "7"}"#, "the property request is missing"),
        (r#"{"request": {}, "id": "7"}"#, "the property request.data is missing"),
        (r#"{"request": 5, "id": "7"}"#, "the property request must be an object, it is a number"),
        (r#"{"request": "a\"b", "id": "7"}"#, "the property request must be an object, it is a string"),
        (r#"{"request": [[1]], "id": "7"}"#, "the property request must be an object, it is an array"),
        (r#"{"request": null, "id": "7"}"#, "the property request must be an object, it is null"),
        (r#"{"request": {"data": 1.5}, "id": "7"}"#, "the property request.data must be a string, it is a number"),
        (r#"{"request": {"data": null}, "id": "7"}"#, "the property request.data must be a string, it is null"),
        (r#"{"request": {"data": {}}, "id": "7"}"#, "the property request.data must be a string, it is an object"),
        (
            r#"{"request": {"data": "", "delivery_stream_arn": true}, "id": "7"}"#,
            "the property request.delivery_stream_arn must be a string, it is a boolean",
        ),
    ] {
        assert_eq!(problem(payload.as_bytes()), (r#""7""#.to_owned(), sentence.to_owned()), "{payload}");
    }
}

#[test]
fn broken_json_is_a_problem_with_its_place_and_the_id_that_stood_before_it() {
    let (id, sentence) = problem(br#"{"id": "7", "request": {"data": "a"}"#);
    assert_eq!(id, r#""7""#);
    assert_eq!(sentence, "the message is not valid JSON: EOF while parsing an object at line 1 column 36");
    for payload in [&b""[..], b"{", b"hello", br#"{"request": {"data": "a"}} x"#] {
        assert!(problem(payload).1.starts_with("the message is not valid JSON: "), "{payload:?}");
    }
}

#[test]
fn a_message_that_is_no_object_says_what_it_is() {
    assert_eq!(problem(b"[1]").1, "the message must be a JSON object, it is an array");
    assert_eq!(problem(b"3").1, "the message must be a JSON object, it is a number");
}

#[test]
fn an_id_that_is_no_string_or_too_long_to_answer_is_a_problem() {
    assert_eq!(
        problem(br#"{"request": {"data": "a"}, "id": 7}"#),
        (String::new(), "the property id must be a string, it is a number".to_owned())
    );
    let long = "x".repeat(ID_JSON_BYTES - 1);
    let payload = format!(r#"{{"request": {{"data": "a"}}, "id": "{long}"}}"#);
    assert!(problem(payload.as_bytes()).1.starts_with("the id is 65537 bytes of JSON"));
    assert!(parse(payload.replacen('x', "", 1).as_bytes()).1.is_ok());
}

#[test]
fn topics_are_told_apart() {
    assert_eq!(Topic::parse("kinesisfirehose/message"), Some(Topic::Json));
    assert_eq!(Topic::parse("kinesisfirehose/message/binary"), Some(Topic::Binary("")));
    assert_eq!(Topic::parse("kinesisfirehose/message/binary/"), Some(Topic::Binary("")));
    assert_eq!(Topic::parse("kinesisfirehose/message/binary/a/b//c"), Some(Topic::Binary("a/b//c")));
    for topic in ["kinesisfirehose/message/status", "kinesisfirehose/message/binaryx", "kinesisfirehose", ""] {
        assert_eq!(Topic::parse(topic), None);
    }
}

#[test]
fn a_byte_order_mark_before_and_zeros_behind_a_message_mean_nothing() {
    let message = r#"{"request": {"data": "\u0000 \ufeff"}, "id": "7"}"#;
    let expected = Request { data: r#""\u0000 \ufeff""#, delivery_stream_arn: None, is_data_given: false };
    for (before, after) in [("\u{feff}", ""), ("", "\0"), ("", "\n\0\0\0"), ("\u{feff}", "\0")] {
        let payload = [before, message, after].concat();
        let (id, request) = parse(payload.as_bytes());
        assert_eq!((id, request.unwrap()), (r#""7""#, expected), "{payload:?}");
    }
    for payload in ["\u{feff}\u{feff}{}", "\0{}", "{\0}", "{}\0 {}", "\u{feff}", "\0"] {
        assert!(problem(payload.as_bytes()).1.starts_with("the message is not valid JSON: "), "{payload:?}");
    }
}

#[test]
fn what_is_not_utf_8_is_refused_wherever_it_stands_and_the_id_before_it_kept() {
    for (wrong, id) in [
        (&b"{\"request\": {\"data\": \"\xff\"}, \"id\": \"7\"}"[..], ""),
        (b"{\"id\": \"7\", \"request\": {\"data\": \"a\"}, \"ignored\": \"\xc3\x28\"}", r#""7""#),
        (b"{\"id\": \"7\", \"request\": {\"data\": \"a\", \"ignored\": [\"\xed\xa0\x80\"]}}", r#""7""#),
        (b"{\"id\": \"7\", \"\xc0\x80\": 1, \"request\": {\"data\": \"a\"}}", r#""7""#),
        (b"{\"request\": {\"data\": \"a\"}, \"id\": \"7\"}\xf0\x9f", r#""7""#),
        (b"\xff\xfe{\0}\0", ""),
    ] {
        let place = str::from_utf8(wrong).unwrap_err().valid_up_to() + 1;
        let sentence = format!("the message is not UTF-8, as JSON must be: what is wrong begins at byte {place}");
        assert_eq!(problem(wrong), (id.to_owned(), sentence), "{wrong:?}");
    }
    for right in ["\u{e9}", "\u{1f980}", "\u{feff}", "\u{0}"] {
        let payload =
            format!(r#"{{"request": {{"data": "a"}}, "ignored": {}}}"#, serde_json::to_string(right).unwrap());
        assert!(parse(payload.as_bytes()).1.is_ok(), "{payload}");
    }
}

#[test]
fn a_message_of_strings_is_read_in_one_pass() {
    let data = Request { data: r#""a\n""#, delivery_stream_arn: None, is_data_given: true };
    for text in [
        r#"{"request":{"data":"a\n"},"id":"7"}"#,
        " { \"id\" : \"7\" ,\t\"x\":\"y\",\r\n\"request\" : { \"data\" : \"a\\n\" , \"id\": \"8\" } } ",
    ] {
        let mut said = Said::default();
        assert_eq!(ordinary(text, &mut said), Some((r#""7""#, data)), "{text}");
        assert_eq!(said.0, b"a\n");
    }
}

/// What `data` says, whole.
#[derive(Default)]
struct Said(Vec<u8>);

impl DataSink for Said {
    fn begin(&mut self) {
        self.0.clear();
    }

    fn piece(&mut self, piece: &[u8]) -> bool {
        self.0.extend_from_slice(piece);
        true
    }
}

/// Messages with members of all kinds, of which some may stand twice, and perhaps one character that is wrong.
fn messages() -> impl Strategy<Value = String> {
    let inner = select(vec![
        r#""data":"a\n[{""#,
        r#""data" : "c""#,
        r#""delivery_stream_arn":"b""#,
        r#""d\u0061ta":"e""#,
        r#""request":"r""#,
        r#""id":"8""#,
        r#""x":1"#,
    ]);
    let request = vec(inner, 0..4).prop_map(|members| format!(r#""request":{{{}}}"#, members.join(", ")));
    let outer = select(vec![
        r#""id":"7""#,
        r#""id" : "9""#,
        r#""i\u0064":"5""#,
        r#""data":"d""#,
        r#""x":null"#,
        "\"y\":\"\u{1}\"",
    ]);
    let members = vec(prop_oneof![3 => request, 2 => outer.prop_map(str::to_owned)], 0..4);
    let wrong = select(vec!["", "\"", "\\", ",", "}", "{", ":", " ", "\u{b}", "0"]);
    (members, any::<bool>(), any::<Index>(), wrong).prop_map(|(members, is_right, place, wrong)| {
        let mut text = format!("{{ {} }}", members.join(","));
        if !is_right {
            let place = place.index(text.len());
            text.replace_range(place..=place, wrong);
        }
        text
    })
}

proptest! {
    #[test]
    fn what_is_read_in_one_pass_is_what_serde_json_reads(text in messages()) {
        let mut said = Said::default();
        if let Some((id, request)) = ordinary(&text, &mut said) {
            let (other_id, other_request) = parse_any(&text);
            let other_request = Request { is_data_given: request.is_data_given, ..other_request.unwrap() };
            prop_assert_eq!((id, request), (other_id, other_request));
            if request.is_data_given {
                prop_assert_eq!(serde_json::from_str::<String>(request.data).unwrap().into_bytes(), said.0);
            }
        }
    }
}
