//! Answers as the service gives them, and as others do.

use super::{Answer, Class, Reply, Unreadable, read};
use crate::firehose::request::Call;
use crate::relay::outcome::RecordOutcome;

fn reply(status: u16, body: &str) -> Reply<'_> {
    Reply { status, error_type: None, body: body.as_bytes() }
}

#[test]
fn each_entry_of_an_answer_belongs_to_its_record() {
    let body = r#"{"FailedPutCount":2,"Encrypted":false,"RequestResponses":[{"RecordId":"a\/b"},
        {"ErrorCode":"com.amazonaws#ServiceUnavailableException:x","ErrorMessage":"Slow down."},
        {"RecordId":"kept","ErrorCode":"InternalFailure","ErrorMessage":"x"}]}"#;
    let Answer::Records(records) = read(Call::PutRecordBatch, 3, &reply(200, body)) else { panic!("records") };
    let expected = [RecordOutcome::Delivered { record_id: "a/b" }, RecordOutcome::Retry, RecordOutcome::Retry];
    assert_eq!(records.outcomes(), expected);
}

#[test]
fn a_permanent_refusal_has_the_services_code_and_as_much_of_its_text_as_fits() {
    let words = "w".repeat(1025);
    let body = format!(r#"{{"RequestResponses":[{{"ErrorCode":"A","ErrorMessage":"{words}"}},{{"ErrorCode":"B"}}]}}"#);
    let Answer::Records(records) = read(Call::PutRecordBatch, 2, &reply(200, &body)) else { panic!("records") };
    let rejected = |code, message| RecordOutcome::Rejected { code, message };
    assert_eq!(records.outcomes(), [rejected("A", &words[..1024]), rejected("B", "")]);
}

#[test]
fn an_unreadable_answer_is_described_with_its_numbers() {
    assert!(Unreadable::NotTheService { status: 302 }.to_string().contains("HTTP 302"));
    let count = Unreadable::Count { sent: 3, answered: 2 };
    assert_eq!(count.to_string(), "the service answered for 2 records, 3 were sent");
}

#[test]
fn a_single_record_has_a_single_answer() {
    let reply = reply(200, r#"{"Encrypted":false,"RecordId":"xyz"}"#);
    let Answer::Records(records) = read(Call::PutRecord, 1, &reply) else { panic!("records") };
    assert_eq!(records.outcomes(), [RecordOutcome::Delivered { record_id: "xyz" }]);
}

#[test]
fn another_number_of_entries_than_records_is_unreadable() {
    let one = reply(200, r#"{"RequestResponses":[{"RecordId":"a"}]}"#);
    let expected = Answer::Unreadable(Unreadable::Count { sent: 2, answered: 1 });
    assert_eq!(read(Call::PutRecordBatch, 2, &one), expected);
    let many = format!(r#"{{"RequestResponses":[{}{{"RecordId":"a"}}]}}"#, r#"{"RecordId":"a"},"#.repeat(600));
    let not_the_service = Answer::Unreadable(Unreadable::NotTheService { status: 200 });
    assert_eq!(read(Call::PutRecordBatch, 500, &reply(200, &many)), not_the_service);
}

#[test]
fn what_is_not_the_services_json_is_never_permanent() {
    for (status, body) in [
        (200, "<html>Please log in</html>"),
        (200, "{}"),
        (200, r#"{"RequestResponses":[{}]}"#),
        (200, &format!(r#"{{"RequestResponses":[{{"RecordId":"{}"}}]}}"#, "x".repeat(1025))),
        (302, ""),
        (403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"),
        (404, "{\"message\":\"no such page\"}"),
        (401, r#"{"code":"AUTH_REQUIRED","message":"log in"}"#),
        (407, "proxy authentication required"),
        (502, "<html>bad gateway</html>"),
    ] {
        let answer = read(Call::PutRecordBatch, 1, &reply(status, body));
        assert_eq!(answer, Answer::Unreadable(Unreadable::NotTheService { status }), "{status} {body}");
    }
}

#[test]
fn an_empty_error_code_counts_as_missing() {
    let body = r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a","ErrorCode":"","ErrorMessage":""}]}"#;
    let Answer::Records(records) = read(Call::PutRecordBatch, 1, &reply(200, body)) else { panic!("records") };
    assert_eq!(records.outcomes(), [RecordOutcome::Delivered { record_id: "a" }]);
    let nothing = reply(200, r#"{"RequestResponses":[{"ErrorCode":"","ErrorMessage":"x"}]}"#);
    let not_the_service = Answer::Unreadable(Unreadable::NotTheService { status: 200 });
    assert_eq!(read(Call::PutRecordBatch, 1, &nothing), not_the_service);
}

#[test]
fn a_refusal_with_an_http_status_the_service_never_uses_is_not_the_services() {
    let body = r#"{"__type":"ResourceNotFoundException","message":"x"}"#;
    for status in [100, 201, 204, 206, 301, 302, 307, 407, 600, 999] {
        let reply = Reply { error_type: Some("ResourceNotFoundException"), ..reply(status, body) };
        let not_the_service = Answer::Unreadable(Unreadable::NotTheService { status });
        assert_eq!(read(Call::PutRecordBatch, 1, &reply), not_the_service, "{status}");
    }
    for status in [400, 403, 404, 499] {
        let answer = read(Call::PutRecordBatch, 1, &reply(status, body));
        assert!(matches!(answer, Answer::Refused { class: Class::Permanent, .. }), "{status}: {answer:?}");
    }
}

#[test]
fn after_a_413_of_something_on_the_way_the_next_request_is_smaller() {
    for (status, class) in [
        (413, Class::TooLarge),
        (200, Class::RetrySplit),
        (403, Class::RetrySplit),
        (502, Class::RetrySplit),
        (408, Class::Retry),
        (429, Class::Retry),
    ] {
        assert_eq!(Unreadable::NotTheService { status }.class(), class, "{status}");
    }
    assert_eq!(Unreadable::Count { sent: 2, answered: 1 }.class(), Class::RetrySplit);
}

#[test]
fn the_error_code_is_found_wherever_the_service_puts_it() {
    let document = |kind: &str| format!(r#"{{"__type":"{kind}","message":"Firehose test1 not found"}}"#);
    for (error_type, body) in [
        (None, document("ResourceNotFoundException")),
        (None, document("com.amazonaws.firehose.v20150804#ResourceNotFoundException")),
        (Some("ResourceNotFoundException:http://internal.amazon.com/"), document("x")),
        (None, document("ResourceNotFoundException").replace('}', r#","Message":"twice"}"#)),
    ] {
        let reply = Reply { status: 400, error_type, body: body.as_bytes() };
        let Answer::Refused { class, code, message } = read(Call::PutRecord, 1, &reply) else { panic!("{body}") };
        assert_eq!(
            (class, &*code, &*message),
            (Class::Permanent, "ResourceNotFoundException", "Firehose test1 not found")
        );
    }
}

#[test]
fn every_class_of_error_has_its_answer() {
    for (status, code, class) in [
        (400, "ThrottlingException", Class::Retry),
        (503, "ServiceUnavailableException", Class::RetrySplit),
        (500, "InternalFailure", Class::RetrySplit),
        (500, "SomethingNew", Class::RetrySplit),
        (500, "ExpiredTokenException", Class::Credentials),
        (429, "SomethingNew", Class::Retry),
        (413, "SomethingNew", Class::TooLarge),
        (400, "ExpiredTokenException", Class::Credentials),
        (403, "UnrecognizedClientException", Class::Credentials),
        (403, "InvalidSignatureException", Class::Clock),
        (400, "AccessDeniedException", Class::Permanent),
        (400, "InvalidArgumentException", Class::Permanent),
        (400, "InvalidKMSResourceException", Class::Permanent),
        (400, "SomethingNew", Class::Permanent),
    ] {
        let body = format!(r#"{{"__type":"{code}"}}"#);
        let answer = read(Call::PutRecord, 1, &reply(status, &body));
        assert!(
            matches!(&answer, Answer::Refused { class: found, .. } if *found == class),
            "{status} {code}: {answer:?}"
        );
    }
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let body = format!(r#"{{"__type":"X","message":"{}"}}"#, "é".repeat(5000));
    let Answer::Refused { message, .. } = read(Call::PutRecord, 1, &reply(400, &body)) else { panic!("refused") };
    assert_eq!(message.len(), 1024);
}
