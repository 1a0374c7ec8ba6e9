//! TLS before the Firehose stand-in, as the service has it, which counts what goes over the wire.
//!
//! Usage: `front PORT CA [CLOSE]`: forwards to PORT of this machine, writes its CA to the file CA (PEM), and closes a
//! connection that is idle for CLOSE milliseconds; without it none. Prints `port N`, and on SIGTERM one line of JSON:
//! connections, and bytes from and to clients, with those of TLS, without those of TCP and IP.

use std::{
    env,
    error::Error,
    fs,
    io::Write as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    time,
};
use tokio_rustls::TlsAcceptor;

/// Bytes read at a time, in each direction.
const READ_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct Wire {
    connections: AtomicU64,
    from_clients: AtomicU64,
    to_clients: AtomicU64,
}

/// A connection whose bytes are counted.
struct Counted(TcpStream, Arc<Wire>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        self.1.from_clients.fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.1.to_clients.fetch_add(count as u64, Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (to, ca, close) = match arguments.as_slice() {
        [to, ca] => (to.parse::<u16>()?, ca, None),
        [to, ca, close] => (to.parse()?, ca, Some(Duration::from_millis(close.parse()?))),
        _ => return Err("usage: front PORT CA [CLOSE]".into()),
    };
    let acceptor = TlsAcceptor::from(Arc::new(config(ca)?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("port {}", listener.local_addr()?.port());
    let wire = Arc::new(Wire::default());
    let mut end = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                wire.connections.fetch_add(1, Relaxed);
                let (acceptor, client) = (acceptor.clone(), Counted(client, Arc::clone(&wire)));
                // However it ends, the client sees it.
                tokio::spawn(async move { drop(serve(acceptor, client, to, close).await) });
            }
            _ = end.recv() => break,
        }
    }
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    let (connections, from, to) = (count(&wire.connections), count(&wire.from_clients), count(&wire.to_clients));
    println!(r#"{{"connections":{connections},"from_clients":{from},"to_clients":{to}}}"#);
    Ok(())
}

async fn serve(acceptor: TlsAcceptor, client: Counted, to: u16, close: Option<Duration>) -> std::io::Result<()> {
    client.0.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut service = TcpStream::connect(("127.0.0.1", to)).await?;
    service.set_nodelay(true)?;
    let (mut request, mut answer) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    loop {
        let idle = async {
            match close {
                Some(close) => time::sleep(close).await,
                None => std::future::pending().await,
            }
        };
        let is_over = tokio::select! {
            read = client.read(&mut request) => {
                let read = read?;
                service.write_all(&request[..read]).await?;
                read == 0
            }
            read = service.read(&mut answer) => {
                let read = read?;
                client.write_all(&answer[..read]).await?;
                client.flush().await?;
                read == 0
            }
            () = idle => true,
        };
        if is_over {
            return client.shutdown().await;
        }
    }
}

/// A certificate for this machine by a CA of its own, whose PEM goes to the file `ca`.
fn config(ca: &str) -> Result<ServerConfig, Box<dyn Error>> {
    let mut authority = CertificateParams::new([])?;
    // Not the name of the leaf, or OpenSSL takes that for signed by itself.
    authority.distinguished_name.push(DnType::CommonName, "CA of a bench");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    fs::File::create(ca)?.write_all(authority.pem().as_bytes())?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?)
}
