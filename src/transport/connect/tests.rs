//! Real sockets on loopback; time-outs on tokio's paused clock.

use std::{error::Error, net::Ipv4Addr};

use futures_util::FutureExt as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    time::Instant,
};

use super::*;
use crate::{
    clock::Clock,
    config::{ClientCertificate, MqttTls},
    error_chain::error_chain,
    test_support::{Ca, Folder, Leaf, serve_tls},
};

const HOST: &str = "localhost";
const THIS_CENTURY: (i32, i32) = (2000, 2100);

fn trusting(ca: &Ca) -> Tls {
    let folder = Folder::new();
    let ca = Some(folder.write("ca.pem", ca.pem()));
    Tls::for_broker(&MqttTls { ca, ..MqttTls::default() }, &Clock::default()).unwrap()
}

fn with_certificate(ca: &Ca, client: &Leaf) -> Tls {
    let folder = Folder::new();
    let client = Some(ClientCertificate {
        certificate: folder.write("cert.pem", client.certificate_pem()),
        key: folder.write("key.pem", client.key_pem()),
    });
    let ca = Some(folder.write("ca.pem", ca.pem()));
    Tls::for_broker(&MqttTls { ca, client, alpn: vec!["mqtt".to_owned()] }, &Clock::default()).unwrap()
}

async fn echo(mut stream: Stream) -> io::Result<()> {
    stream.write_all(b"ping").await?;
    stream.flush().await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"ping");
    Ok(())
}

async fn tls_failure(port: u16, tls: &Tls) -> (TlsFailure, String) {
    let error = connect(&Route::default(), HOST, port, Some(tls), Buffers::default()).await.unwrap_err();
    assert!(error.source().is_some(), "{error}");
    let ConnectFailure::Tls(failure) = error.kind() else { panic!("{error}") };
    (failure, error_chain(&error))
}

#[tokio::test]
async fn what_is_unsent_is_dropped_with_a_connection_to_the_service_alone() {
    for (buffers, arrives) in [(Buffers::SERVICE, false), (Buffers::BROKER, true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut stream = connect(&Route::default(), "127.0.0.1", port, None, buffers).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut written = 0;
        // Until the peer's kernel takes no more, and ours neither.
        while let Some(result) = stream.write(&[0; 1 << 14]).now_or_never() {
            written += result.unwrap();
        }
        drop(stream);
        let mut read = Vec::new();
        let end = peer.read_to_end(&mut read).await;
        assert_eq!((end.is_ok(), read.len() == written), (arrives, arrives), "{end:?}, {} of {written}", read.len());
    }
}

#[tokio::test]
async fn plain_connections_carry_bytes_and_hold_few_of_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = connect(&Route::default(), "127.0.0.1", port, None, Buffers::BROKER).await.unwrap();
    let Stream::Plain(plain) = &stream else { panic!("TLS without being asked") };
    let socket = plain.as_socket().unwrap();
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.send_buffer_size().unwrap(), 2 * 128 * 1024);
    assert_eq!(socket.recv_buffer_size().unwrap(), 2 * 256 * 1024);
    let (mut served, _) = listener.accept().await.unwrap();
    let serve = async {
        let mut bytes = [0; 4];
        served.read_exact(&mut bytes).await?;
        served.write_all(&bytes).await
    };
    tokio::try_join!(echo(stream), serve).unwrap();
}

#[tokio::test]
async fn a_server_of_our_ca_is_trusted() {
    let ca = Ca::new();
    let port = serve_tls(&ca.issue(HOST, THIS_CENTURY), None).await;
    echo(connect(&Route::default(), HOST, port, Some(&trusting(&ca)), Buffers::default()).await.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_can_be_named_by_its_address() {
    let ca = Ca::new();
    let port = serve_tls(&ca.issue("127.0.0.1", THIS_CENTURY), None).await;
    echo(connect(&Route::default(), "127.0.0.1", port, Some(&trusting(&ca)), Buffers::default()).await.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_unknown_issuer_names_the_variable_for_the_ca() {
    let port = serve_tls(&Ca::named("Proxy CA").issue(HOST, THIS_CENTURY), None).await;
    let (failure, text) = tls_failure(port, &trusting(&Ca::new())).await;
    assert_eq!(failure, TlsFailure::UnknownIssuer);
    assert!(text.contains("that no trusted CA has signed, but \"CN=Proxy CA\": "), "{text}");
    assert!(text.ends_with("name the PEM file of its CA in FIREHOSE_CONNECTOR_MQTT_CA"), "{text}");
    assert!(text.starts_with(&format!("localhost:{port} (127.0.0.1) shows a certificate")), "{text}");
}

#[tokio::test]
async fn a_ca_renewed_under_its_old_name_is_an_unknown_issuer() {
    let port = serve_tls(&Ca::named("Factory CA").issue(HOST, THIS_CENTURY), None).await;
    let (failure, _) = tls_failure(port, &trusting(&Ca::named("Factory CA"))).await;
    assert_eq!(failure, TlsFailure::UnknownIssuer);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_its_last_day_and_today() {
    let ca = Ca::new();
    let port = serve_tls(&ca.issue(HOST, (2000, 2001)), None).await;
    let error = connect(&Route::default(), HOST, port, Some(&trusting(&ca)), Buffers::default()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectFailure::Tls(TlsFailure::Expired));
    let text = error.to_string();
    assert!(text.contains("expired on 2001-01-01, and to this device it is 2"), "{text}");
    assert!(text.ends_with("the certificate has to be renewed, or the clock to be set"), "{text}");
    assert!(error.source().is_none(), "the log would say it again with each second");
}

#[tokio::test]
async fn a_certificate_from_the_future_is_accepted() {
    let ca = Ca::new();
    let port = serve_tls(&ca.issue(HOST, (2090, 2100)), None).await;
    echo(connect(&Route::default(), HOST, port, Some(&trusting(&ca)), Buffers::default()).await.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_without_the_key_of_its_certificate_is_refused() {
    let ca = Ca::new();
    let (shown, own) = (ca.issue(HOST, (2090, 2100)), ca.issue(HOST, (2090, 2100)));
    let port = serve_tls(&shown.with_key_of(own), None).await;
    let (failure, text) = tls_failure(port, &trusting(&ca)).await;
    assert_eq!(failure, TlsFailure::BadCertificate);
    assert!(text.ends_with("a certificate that cannot be used: the key that it is used with is another one"), "{text}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let ca = Ca::new();
    let port = serve_tls(&ca.issue("elsewhere.example", THIS_CENTURY), None).await;
    assert_eq!(tls_failure(port, &trusting(&ca)).await.0, TlsFailure::WrongName);
}

#[tokio::test]
async fn a_server_without_tls_is_distinguished_from_one_that_closes() {
    let tls = trusting(&Ca::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: [&[u8]; 2] = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""];
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Everything is read before the end, or the kernel answers with a reset.
            let mut hello = [0; 4096];
            assert!(stream.read(&mut hello).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
        }
    });
    assert_eq!(tls_failure(port, &tls).await.0, TlsFailure::NotTls);
    assert_eq!(tls_failure(port, &tls).await.0, TlsFailure::Closed);
}

#[tokio::test]
async fn a_required_client_certificate_is_asked_for() {
    let ca = Ca::new();
    let server = ca.issue(HOST, THIS_CENTURY);

    let port = serve_tls(&server, Some(&ca)).await;
    let device = with_certificate(&ca, &ca.issue("device", THIS_CENTURY));
    echo(connect(&Route::default(), HOST, port, Some(&device), Buffers::default()).await.unwrap()).await.unwrap();

    let port = serve_tls(&server, Some(&ca)).await;
    let error = echo(connect(&Route::default(), HOST, port, Some(&trusting(&ca)), Buffers::default()).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(TlsFailure::of(&error), Some(TlsFailure::ClientCertificateMissing));

    let port = serve_tls(&server, Some(&ca)).await;
    let stranger = with_certificate(&ca, &Ca::new().issue("device", THIS_CENTURY));
    let error = echo(connect(&Route::default(), HOST, port, Some(&stranger), Buffers::default()).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(TlsFailure::of(&error), Some(TlsFailure::ClientCertificateRefused));

    let port = serve_tls(&server, Some(&ca)).await;
    let ended = with_certificate(&ca, &ca.issue("device", (2000, 2001)));
    let error = echo(connect(&Route::default(), HOST, port, Some(&ended), Buffers::default()).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(TlsFailure::of(&error), Some(TlsFailure::ClientCertificateExpired));
    let text = error.to_string();
    assert!(text.starts_with("it says \"certificate expired\" of FIREHOSE_CONNECTOR_MQTT_CERT: "), "{text}");
    assert!(text.ends_with("cert.pem, whose last day is 2001-01-01"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_runs_into_the_handshake_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let before = Instant::now();
    let error = connect(&Route::default(), "127.0.0.1", port, Some(&trusting(&Ca::new())), Buffers::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ConnectFailure::TimedOut(Step::TlsHandshake));
    assert!(before.elapsed() >= limits::TLS_HANDSHAKE_TIMEOUT);
}

#[tokio::test]
async fn a_closed_port_is_named_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = connect(&Route::default(), HOST, port, None, Buffers::default()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectFailure::Refused);
    assert_eq!(
        error.to_string(),
        format!("localhost:{port} (127.0.0.1) refuses connections: check the port and that the peer is running")
    );
}

#[test]
fn the_address_of_a_peer_is_shown_as_a_url_has_it() {
    for (host, shown) in [("::1", "[::1]:8883 "), ("192.0.2.1", "192.0.2.1:8883 "), ("broker", "broker:8883 ")] {
        let error = ConnectError { host: host.into(), port: 8883, ..ConnectError::of(ConnectFailure::Refused) };
        assert!(error.to_string().starts_with(shown), "{error}");
    }
}

#[tokio::test]
async fn a_name_without_address_is_reported() {
    let error = connect(&Route::default(), "empty..label", 1883, None, Buffers::default()).await.unwrap_err();
    assert_eq!(error.kind(), ConnectFailure::NoSuchName);
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_refusal_is_reported_rather_than_a_missing_route() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    // TCP has no broadcast, and the kernel says so without sending.
    let unreachable = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
    let mut nothing_more = Route::default().names.look_up("192.0.2.1", 9);
    nothing_more.addresses().await.unwrap();
    let found = vec![closed, unreachable];
    let (failure, address, _) = connect_any(&mut nothing_more, found, Buffers::default()).await.unwrap_err();
    assert_eq!((failure, address), (ConnectFailure::Refused, Some(closed)));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_answers_is_reached_behind_many_that_do_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // With two connections that nobody takes its queue is full, and the kernel answers no more.
    let full = TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let silent = full.local_addr().unwrap();
    let _waiting = [silent; 2].map(|address| std::net::TcpStream::connect(address).unwrap());
    let mut found = vec![silent; 7];
    found.push(listener.local_addr().unwrap());
    let mut nothing_more = Route::default().names.look_up("192.0.2.1", 9);
    nothing_more.addresses().await.unwrap();
    let start = Instant::now();
    connect_any(&mut nothing_more, found, Buffers::default()).await.unwrap();
    assert!(start.elapsed() > limits::CONNECT_TIMEOUT / 2, "seven were waited for");
}

#[test]
fn families_take_turns() {
    let v4 = |n| SocketAddr::from((Ipv4Addr::new(192, 0, 2, n), 443));
    let v6 = |n: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 443));
    let resolved = [v6(1), v6(2), v6(3), v4(1)];
    assert_eq!(alternate_families(resolved.into_iter()), [v6(1), v4(1), v6(2), v6(3)]);
    assert_eq!(alternate_families((0..99).map(v6)).len(), limits::MAX_ADDRESSES);
    assert_eq!(alternate_families(core::iter::empty()), []);
}
