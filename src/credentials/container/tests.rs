//! Endpoints on loopback that behave and misbehave.

use std::error::Error as _;

use tokio::time::Instant;

use super::*;
use crate::{
    clock::Clock,
    foreign::Secret,
    http::fetch::FetchError,
    test_support::{Endpoint, Folder, http_reply},
    transport::connect::ConnectFailure,
};

const BODY: &str = r#"{"AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2018-01-18T09:18:06Z"}"#;

fn settings(endpoint: &Endpoint, authorization: Option<ContainerAuthorization>) -> ContainerSettings {
    ContainerSettings { endpoint: endpoint.url(), path: "/2016-11-01/credentials?a=b".to_owned(), authorization }
}

async fn ask(endpoint: &Endpoint) -> Result<Credentials, ContainerError> {
    credentials(&settings(endpoint, None), &Route::default(), &Tls::for_service(None, &Clock::default()).unwrap()).await
}

#[tokio::test]
async fn credentials_are_read_with_their_expiry() {
    let endpoint = Endpoint::serve(http_reply("200 OK", BODY)).await;
    let credentials = ask(&endpoint).await.unwrap();
    assert_eq!(credentials.access_key_id, "ASIA");
    assert!(credentials.expires_at.is_some());
    let request = endpoint.request().await;
    assert!(request.starts_with("GET /2016-11-01/credentials?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nconnection: close\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", endpoint.url().port)), "{request}");
    assert!(!request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn the_token_file_is_read_anew_each_time() {
    let folder = Folder::new();
    let tls = Tls::for_service(None, &Clock::default()).unwrap();
    for token in ["first", "second"] {
        let file = ContainerAuthorization::TokenFile(folder.write("token", format!("{token}\n")));
        let endpoint = Endpoint::serve(http_reply("200 OK", BODY)).await;
        credentials(&settings(&endpoint, Some(file)), &Route::default(), &tls).await.unwrap();
        let request = endpoint.request().await;
        assert!(request.contains(&format!("\r\nauthorization: {token}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn a_token_goes_into_the_header_and_not_into_errors() {
    let tls = Tls::for_service(None, &Clock::default()).unwrap();
    let endpoint = Endpoint::serve(http_reply("200 OK", BODY)).await;
    let token = |text: &str| Some(ContainerAuthorization::Token(Secret::new(text)));
    credentials(&settings(&endpoint, token("Basic abc")), &Route::default(), &tls).await.unwrap();
    assert!(endpoint.request().await.contains("\r\nauthorization: Basic abc\r\n"));

    let error = credentials(&settings(&endpoint, token("a\nb")), &Route::default(), &tls).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN must hold printable ASCII characters only, and no line end"
    );

    let missing = Some(ContainerAuthorization::TokenFile("/etc/nowhere/token".into()));
    let error = credentials(&settings(&endpoint, missing), &Route::default(), &tls).await.unwrap_err();
    assert_eq!(error.to_string(), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: /etc/nowhere/token cannot be read");
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_text() {
    let endpoint = Endpoint::serve(http_reply("403 Forbidden", "not\ntoday")).await;
    let error = ask(&endpoint).await.unwrap_err();
    let text = format!(
        "credentials endpoint 127.0.0.1:{} answers 403 (check AWS_CONTAINER_AUTHORIZATION_TOKEN or its file): not \
         today",
        endpoint.url().port
    );
    assert_eq!(error.to_string(), text);

    let long = format!("{} {}", "x".repeat(9_000), "word ".repeat(1_000));
    let endpoint = Endpoint::serve(http_reply("500 Internal Server Error", &long)).await;
    let error = ask(&endpoint).await.unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
}

#[tokio::test]
async fn a_refusal_that_holds_credentials_does_not_show_them() {
    let document = r#"{"AccessKeyId":"ASIA","SecretAccessKey":"SECRETSECRET","Token":"TOKENTOKEN"}"#;
    let twice = serde_json::to_string(document).unwrap();
    for (status, body) in [
        ("201 Created", document),
        ("203 Non-Authoritative Information", &*twice),
        ("206 Partial Content", &document[..document.len() - 2]),
        ("500 Internal Server Error", &format!("[{document}]")),
        ("500 Internal Server Error", "<Credentials><SecretAccessKey>SECRETSECRET</SecretAccessKey></Credentials>"),
        ("500 Internal Server Error", "AccessKeyId=ASIA&SecretAccessKey=SECRETSECRET"),
        ("500 Internal Server Error", "the secret is SECRETSECRET, the token is TOKENTOKEN"),
        ("500 Internal Server Error", &format!("{{\"message\":{twice}}}")),
    ] {
        let error = ask(&Endpoint::serve(http_reply(status, body)).await).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("SECRETSECRET") && !said.contains("TOKENTOKEN"), "{body}: {said}");
        assert!(said.contains(&status[..3]), "{said}");
    }
}

#[tokio::test]
async fn a_page_that_repeats_the_request_does_not_show_its_token() {
    const TOKEN: &str = "correct-horse-battery";
    let folder = Folder::new();
    let tls = Tls::for_service(None, &Clock::default()).unwrap();
    let in_file = ContainerAuthorization::TokenFile(folder.write("token", format!("\u{feff}{TOKEN}\r\n")));
    for authorization in [ContainerAuthorization::Token(Secret::new(TOKEN)), in_file] {
        for body in [format!("Bad request: authorization: {TOKEN}"), format!("{{\"message\":\"not {TOKEN}\"}}")] {
            let endpoint = Endpoint::serve(http_reply("400 Bad Request", &body)).await;
            let settings = settings(&endpoint, Some(authorization.clone()));
            let error = credentials(&settings, &Route::default(), &tls).await.unwrap_err();
            assert!(endpoint.request().await.contains(&format!("authorization: {TOKEN}\r\n")));
            assert!(!error.to_string().contains("horse"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_token_file_that_holds_no_token_or_is_one_itself_is_named_and_not_shown() {
    let folder = Folder::new();
    let endpoint = Endpoint::serve(http_reply("200 OK", BODY)).await;
    let tls = Tls::for_service(None, &Clock::default()).unwrap();
    for content in ["", "\n", "horse\0", "horse\nbattery", "horse\rbattery", "hörse"] {
        let file = ContainerAuthorization::TokenFile(folder.write("token", content));
        let error = credentials(&settings(&endpoint, Some(file)), &Route::default(), &tls).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE must hold printable ASCII"), "{text}");
    }
    let itself = ContainerAuthorization::TokenFile("Bearer horse/battery".into());
    let error = credentials(&settings(&endpoint, Some(itself)), &Route::default(), &tls).await.unwrap_err();
    let expected = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: no file has this name, which is not shown, because it may \
        be the token itself";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_not_kept() {
    let reply = http_reply("200 OK", &format!("{BODY}{}", " ".repeat(limits::MAX_REPLY)));
    let error = ask(&Endpoint::serve(reply).await).await.unwrap_err();
    assert!(matches!(error, ContainerError::Endpoint(EndpointError::Fetch(FetchError::TooLarge { .. }))), "{error:?}");

    let endless = "HTTP/1.1 200 OK\r\nx: ".to_owned() + &"y".repeat(100_000);
    let error = ask(&Endpoint::serve(endless).await).await.unwrap_err();
    assert!(matches!(error, ContainerError::Endpoint(EndpointError::Fetch(FetchError::Http { .. }))), "{error:?}");
}

#[tokio::test]
async fn a_reply_that_is_cut_off_is_an_error() {
    let reply = http_reply("200 OK", BODY);
    let error = ask(&Endpoint::serve(&reply[..reply.len() - 5]).await).await.unwrap_err();
    assert!(matches!(error, ContainerError::Endpoint(EndpointError::Fetch(FetchError::Http { .. }))), "{error:?}");
    let error = ask(&Endpoint::serve("SSH-2.0-OpenSSH_9.2\r\n").await).await.unwrap_err();
    assert!(error.to_string().ends_with("does not answer in HTTP"), "{error}");
}

#[tokio::test]
async fn a_reply_without_length_ends_with_the_connection() {
    let reply = format!("HTTP/1.1 200 OK\r\n\r\n{BODY}");
    ask(&Endpoint::serve(reply).await).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_not_credentials_is_named() {
    for body in ["<html>sign in here</html>", "{}", "", "null"] {
        let error = ask(&Endpoint::serve(http_reply("200 OK", body)).await).await.unwrap_err();
        assert!(error.to_string().ends_with("answers with something else than credentials"), "{error}");
        assert!(error.source().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_is_left_at_the_deadline() {
    let before = Instant::now();
    let error = ask(&Endpoint::silent().await).await.unwrap_err();
    assert!(matches!(error, ContainerError::Endpoint(EndpointError::Fetch(FetchError::TimedOut { .. }))), "{error:?}");
    assert_eq!(before.elapsed().as_secs(), limits::FETCH_TIMEOUT.as_secs());
}

#[tokio::test]
async fn an_unreachable_endpoint_is_named() {
    let error = ask(&Endpoint::closed().await).await.unwrap_err();
    let ContainerError::Endpoint(EndpointError::Fetch(FetchError::Connect(connect))) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(connect.kind(), ConnectFailure::Refused);
    assert!(error.to_string().starts_with("credentials endpoint 127.0.0.1:"), "{error}");
}

#[test]
fn nothing_that_could_be_a_key_is_shown_of_a_refusal() {
    use super::super::endpoint::complaint;

    let shown = |text: &str| complaint(text.as_bytes());
    assert_eq!(shown(r#"{"message":"Access Denied"}"#), "Access Denied");
    assert_eq!(
        shown(r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"not for you"}"#),
        "AssumeRoleUnauthorizedAccess: not for you"
    );
    for text in [
        r#"{"Message":"{\"Token\":\"IQoJb3JpZ2luX2VjEXAMPLE\"}"}"#,
        r#"{"code":"Denied","message":"SecretKey=wJalrXUtnFEMI/K7MDENG; Token=IQoJb3JpZ2luX2VjEXAMPLE"}"#,
        r#"{"code":"wJalrXUtnFEMI/K7MDENG"}"#,
        "your key is secretsecretsecretkey",
        "wJalrXUtnFEMI/K7MDENG",
    ] {
        let said = shown(text);
        for secret in ["IQoJ", "wJal", "K7MDENG", "secretsecret"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
