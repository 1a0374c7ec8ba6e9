//! Proxies on loopback. The name that is meant does not exist, so that only a proxy can lead to it.

use std::collections::BTreeMap;

use tokio::net::TcpListener;

use super::super::{Buffers, ConnectError, connect};
use super::*;
use crate::config::{ConfigError, load};
use crate::{
    clock::Clock,
    test_support::{Ca, Folder, serve_proxy, serve_tls},
    transport::route::Route,
    transport::tls::Tls,
};

const MEANT: &str = "meant.invalid";

/// The proxy of such a setting.
fn proxy(url: &str) -> Proxy {
    let variables = BTreeMap::from([
        ("DEFAULT_DELIVERY_STREAM_ARN", "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s"),
        ("HTTPS_PROXY", url),
        ("NO_PROXY", "direct.invalid"),
    ]);
    let config: Result<_, ConfigError> =
        load(None, variables.into_iter().map(|(name, value)| (name.into(), value.into())));
    config.unwrap().aws.proxy.unwrap()
}

fn tls(ca: &Ca) -> Tls {
    let folder = Folder::new();
    Tls::for_service(Some(&folder.write("ca.pem", ca.pem())), &Clock::default()).unwrap()
}

/// Connects to [`MEANT`] over TLS by the proxy, which leads to `port`, and has four bytes echoed.
async fn by(url: &str, ca: &Ca) -> Result<(), ConnectError> {
    let tls = tls(ca);
    let mut stream = connect(&Route::https(Some(proxy(url)), &tls), MEANT, 443, Some(&tls), Buffers::default()).await?;
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    Ok(())
}

#[tokio::test]
async fn a_proxy_leads_to_a_name_that_only_it_can_look_up() {
    let ca = Ca::new();
    let behind = serve_tls(&ca.issue(MEANT, (2000, 2100)), None).await;
    let proxy = serve_proxy(None, "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", Some(behind)).await;
    by(&format!("http://127.0.0.1:{}", proxy.port), &ca).await.unwrap();
    let head = proxy.head.await.unwrap();
    assert_eq!(head, format!("CONNECT {MEANT}:443 HTTP/1.1\r\nHost: {MEANT}:443\r\n\r\n"));
}

#[tokio::test]
async fn a_proxy_may_end_lines_with_lf_or_cr_lf_and_say_first_that_it_takes_a_while() {
    let ca = Ca::new();
    let processing = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nVia: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    for answer in [processing, "HTTP/1.1 200 OK\nVia: x\n\n", "HTTP/1.0 200 OK\r\nVia: x\n\r\n", "HTTP/1.1 200 OK\n\n"]
    {
        let behind = serve_tls(&ca.issue(MEANT, (2000, 2100)), None).await;
        let proxy = serve_proxy(None, answer, Some(behind)).await;
        by(&format!("http://127.0.0.1:{}", proxy.port), &ca).await.unwrap();
    }
}

#[tokio::test]
async fn a_proxy_behind_tls_is_given_the_login_over_tls() {
    let ca = Ca::new();
    let behind = serve_tls(&ca.issue(MEANT, (2000, 2100)), None).await;
    let leaf = ca.issue("localhost", (2000, 2100));
    let proxy = serve_proxy(Some(&leaf), "HTTP/1.0 200 OK\r\n\r\n", Some(behind)).await;
    by(&format!("https://user:pass@localhost:{}", proxy.port), &ca).await.unwrap();
    assert!(proxy.head.await.unwrap().contains("\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n"));
}

#[tokio::test]
async fn a_refusal_by_a_proxy_names_its_variable_and_not_the_password() {
    for (answer, failure, words) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyFailure::Login(407), "wants another login (407)"),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n<html>",
            ProxyFailure::Refuses(403),
            "does not let this connection through (403)",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", ProxyFailure::Refuses(502), "cannot connect further (502)"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", ProxyFailure::NotHttp, "does not answer as a proxy"),
        ("", ProxyFailure::NotHttp, "does not answer as a proxy"),
    ] {
        let proxy = serve_proxy(None, answer, None).await;
        let port = proxy.port;
        let error = by(&format!("http://user:secret@127.0.0.1:{port}"), &Ca::new()).await.unwrap_err();
        assert_eq!(error.kind(), ConnectFailure::Proxy(failure), "{answer}");
        let text = crate::error_chain::error_chain(&error);
        assert!(text.starts_with(&format!("the proxy of HTTPS_PROXY, 127.0.0.1:{port} {words}")), "{text}");
        assert!(!text.contains("secret") && !error.kind().is_offline(), "{text}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_collected() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(10 * PROXY_HEAD));
    let proxy = serve_proxy(None, &endless, None).await;
    let error = by(&format!("http://127.0.0.1:{}", proxy.port), &Ca::new()).await.unwrap_err();
    assert!(crate::error_chain::error_chain(&error).ends_with("an answer of more than 8192 bytes"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_proxy_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = by(&format!("http://127.0.0.1:{port}"), &Ca::new()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectFailure::TimedOut(Step::Proxy));
}

#[tokio::test]
async fn an_unknown_proxy_name_is_not_taken_for_an_unknown_endpoint() {
    let error = by("http://no-such-proxy.invalid:3128", &Ca::new()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectFailure::NameNotResolved);
}

#[tokio::test]
async fn exceptions_and_plain_http_bypass_the_proxy() {
    let tls = tls(&Ca::new());
    let route = Route::https(Some(proxy("http://127.0.0.1:1")), &tls);
    let direct = connect(&route, "direct.invalid", 443, Some(&tls), Buffers::default()).await.unwrap_err();
    let plain = connect(&route, MEANT, 80, None, Buffers::default()).await.unwrap_err();
    for error in [direct, plain] {
        assert!(!error.to_string().contains("HTTPS_PROXY"), "{error}");
    }
    let any = Route::to_any(Some(proxy("http://127.0.0.1:1")), &tls);
    let plain = connect(&any, MEANT, 1883, None, Buffers::default()).await.unwrap_err();
    assert!(plain.to_string().contains("HTTPS_PROXY"), "{plain}");
}
