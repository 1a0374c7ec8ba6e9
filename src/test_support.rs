//! For tests: a CA of our own, TLS servers on loopback, files that vanish, the log.

use core::sync::atomic::{AtomicU32, Ordering};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
};
use tokio_rustls::TlsAcceptor;

use crate::config::EndpointUrl;

/// A certificate authority that signs what a test asks for.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    /// With a unique name.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self::named(&format!("CA {}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// With a new key.
    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A CA that this one has signed, valid from the first of January of one year to that of another.
    pub(crate) fn issue_ca(&self, years: (i32, i32)) -> Self {
        let mut params = valid(CertificateParams::new([]).unwrap(), years);
        params.distinguished_name.push(DnType::CommonName, "intermediate CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    /// Certificate and key, both PEM, valid from the first of January of one year to that of another.
    pub(crate) fn issue(&self, name: &str, years: (i32, i32)) -> Leaf {
        let params = valid(CertificateParams::new([name.to_owned()]).unwrap(), years);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf { certificate, key }
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

fn valid(mut params: CertificateParams, years: (i32, i32)) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params
}

/// A certificate with its key.
pub(crate) struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Leaf {
    /// The same certificate with a key that is not its own.
    pub(crate) fn with_key_of(self, other: Self) -> Self {
        Self { key: other.key, ..self }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(crate) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// The server's side of TLS, with ALPN `mqtt`. With `clients`, only for those who show a certificate of that CA.
fn acceptor(leaf: &Leaf, clients: Option<&Ca>) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(ca) => config.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()), provider).build().unwrap(),
        ),
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
    // Not asked whether they belong together.
    let key = CertifiedKey::new(vec![leaf.der()], ring::sign::any_supported_type(&key).unwrap());
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Serves one TLS connection on a port of the kernel's choice: echoes four bytes, then waits for the end. `clients`:
/// see [`acceptor`].
pub(crate) async fn serve_tls(leaf: &Leaf, clients: Option<&Ca>) -> u16 {
    let acceptor = acceptor(leaf, clients);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A refused handshake is what some tests are about.
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let mut bytes = [0; 4];
            if stream.read_exact(&mut bytes).await.is_ok() {
                stream.write_all(&bytes).await.unwrap();
            }
        }
    });
    port
}

/// An HTTP reply with its length.
pub(crate) fn http_reply(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A server on loopback that answers one connection after the other with prepared bytes, and is gone afterwards.
pub(crate) struct Endpoint {
    port: u16,
    requests: Mutex<mpsc::Receiver<String>>,
}

impl Endpoint {
    pub(crate) async fn serve(reply: impl Into<String>) -> Self {
        Self::serve_each(vec![reply.into()]).await
    }

    pub(crate) async fn serve_each(replies: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::channel(replies.len().max(1));
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_head(&mut stream).await;
                // A client that has heard enough may be gone.
                let _gone = stream.write_all(reply.as_bytes()).await;
                let _dropped = sender.send(request).await;
            }
        });
        Self { port, requests: Mutex::new(requests) }
    }

    /// One reply over TLS on `localhost`, for who shows a certificate of `clients`.
    pub(crate) async fn serve_tls(leaf: &Leaf, clients: &Ca, reply: String) -> Self {
        let acceptor = acceptor(leaf, Some(clients));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::channel(1);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let request = read_head(&mut stream).await;
            stream.write_all(reply.as_bytes()).await.unwrap();
            let _gone = stream.shutdown().await;
            let _dropped = sender.send(request).await;
        });
        Self { port, requests: Mutex::new(requests) }
    }

    /// Accepts nothing; the kernel does, and then nothing comes.
    pub(crate) async fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::channel(1);
        tokio::spawn(async move {
            sender.closed().await;
            drop(listener);
        });
        Self { port, requests: Mutex::new(requests) }
    }

    /// Refuses connections.
    pub(crate) async fn closed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, requests: Mutex::new(mpsc::channel(1).1) }
    }

    pub(crate) fn url(&self) -> EndpointUrl {
        EndpointUrl { tls: false, host: "127.0.0.1".to_owned(), port: self.port }
    }

    /// The head of the next request, as it came.
    pub(crate) async fn request(&self) -> String {
        self.requests.lock().await.recv().await.unwrap()
    }
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// What a proxy on loopback was asked for.
pub(crate) struct ProxyServer {
    pub(crate) port: u16,
    pub(crate) head: tokio::sync::oneshot::Receiver<String>,
}

/// Serves one connection, over TLS if it has a certificate: answers the first request as told, then carries bytes to
/// and from the port `behind`, or closes.
pub(crate) async fn serve_proxy(leaf: Option<&Leaf>, answer: &str, behind: Option<u16>) -> ProxyServer {
    let acceptor = leaf.map(|leaf| acceptor(leaf, None));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, head) = tokio::sync::oneshot::channel();
    let answer = answer.to_owned();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream: Box<dyn Duplex> = match acceptor {
            Some(acceptor) => Box::new(acceptor.accept(stream).await.unwrap()),
            None => Box::new(stream),
        };
        let _not_looked_at = sender.send(read_head(&mut stream).await);
        // One that has heard enough may be gone.
        let _gone = stream.write_all(answer.as_bytes()).await;
        if let Some(behind) = behind {
            let mut behind = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
            let _gone = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
        }
    });
    ProxyServer { port, head }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A folder for one test, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("firehose-connector-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The lines that this thread has logged since the last call; the first call of a test begins to listen.
pub(crate) fn log_lines() -> Vec<String> {
    static LISTENING: std::sync::Once = std::sync::Once::new();
    LISTENING.call_once(|| {
        log::set_logger(&LogLines).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
    LOG_LINES.take()
}

std::thread_local! {
    static LOG_LINES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

struct LogLines;

impl log::Log for LogLines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{}: {}", record.level().as_str().to_ascii_lowercase(), record.args());
        LOG_LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}
