//! Replies as endpoints send them, and as they should not.

use core::time::Duration;
use std::time::UNIX_EPOCH;

use super::*;
use crate::foreign::Secret;

const FIELDS: Fields = Fields {
    marker: None,
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "Token",
    expiration: "Expiration",
};

fn error(body: &str) -> String {
    parse(body.as_bytes(), &FIELDS).unwrap_err().to_string()
}

#[test]
fn a_reply_of_ecs_is_understood() {
    let body =
        br#"{"RoleArn":"arn:aws:iam::123456789012:role/a","AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"a/b+c=",
        "Token":"FwoGZXIvYXdz\/\u003d","Expiration":"2018-01-18T09:18:06Z"}"#;
    let credentials = parse(body, &FIELDS).unwrap();
    assert_eq!(credentials.access_key_id, "ASIAEXAMPLE");
    assert_eq!(credentials.secret_access_key.expose(), "a/b+c=");
    assert_eq!(credentials.session_token.as_ref().map(Secret::expose), Some("FwoGZXIvYXdz/="));
    assert_eq!(credentials.expires_at, Some(UNIX_EPOCH + Duration::from_secs(1_516_267_086)));
}

#[test]
fn token_and_expiration_may_be_missing() {
    let body = br#"{"AccessKeyId":"AKIA","SecretAccessKey":"s","Token":"","Expiration":null}"#;
    let credentials = parse(body, &FIELDS).unwrap();
    assert_eq!((credentials.session_token, credentials.expires_at), (None, None));
}

#[test]
fn what_is_wrong_is_named_without_showing_it() {
    assert_eq!(error("<html>portal</html>"), "no JSON object (line 1, column 1)");
    assert!(error("[]").starts_with("no JSON object (line 1, column "));
    assert_eq!(error("{\"AccessKeyId\":\"A\",\n}"), "no JSON object (line 2, column 1)");
    assert_eq!(error(r#"{"Code":"Failed"}"#), "no AccessKeyId");
    assert_eq!(error(r#"{"AccessKeyId":"A","SecretAccessKey":""}"#), "no SecretAccessKey");
    assert_eq!(
        error(r#"{"AccessKeyId":"A","SecretAccessKey":17}"#),
        "SecretAccessKey is not a string of printable ASCII characters"
    );
    assert_eq!(
        error(r#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"two\nlines"}"#),
        "Token is not a string of printable ASCII characters"
    );
    assert_eq!(
        error(r#"{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"2037-01-01T00:00:00"}"#),
        "Expiration \"2037-01-01T00:00:00\" is not a date and time with its offset, like 2018-01-18T09:18:06Z"
    );
}

#[test]
fn no_value_of_a_reply_gets_into_a_message() {
    const SECRET: &str = "0123SECRET";
    let document = format!(r#"{{"AccessKeyId":"A","SecretAccessKey":"{SECRET}"}}"#);
    for body in [
        serde_json::to_string(&document).unwrap(),
        format!("[{document}]"),
        format!("\"{SECRET}\""),
        format!("{{\"AccessKeyId\":\"A\",\"{SECRET}\""),
        format!(r#"{{"AccessKeyId":"A","SecretAccessKey":["{SECRET}"]}}"#),
        format!(r#"{{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"{SECRET}"}}"#),
        format!(r#"{{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"{}"}}"#, "0".repeat(16_000)),
    ] {
        let said = format!("{} {:?}", error(&body), parse(body.as_bytes(), &FIELDS));
        assert!(!said.contains(SECRET) && said.len() < 300, "{body}: {said}");
    }
    let twice = serde_json::to_string(&document).unwrap();
    assert_eq!(error(&twice), "a JSON string and no object, as if it were encoded twice");
}
