//! A stand-in for Amazon Data Firehose on loopback: PutRecord and PutRecordBatch over HTTP/1.1, with faults on demand
//! and an account of its own of what it accepted.
//!
//! - It checks what the service checks (`call.rs`): headers, sizes, base64. It does not verify signatures: moto does.
//! - Faults can be changed while it runs (`faults.rs`).
//! - What was accepted is counted by content (`account.rs`), so a test can say "each record exactly once" without
//!   believing the connector.
//!
//! Two ports: the service's, which refuses connections while `down`, and one for control that always answers:
//! `GET /standin/state`, `GET /standin/records`, `POST /standin/faults`, `POST /standin/reset`. The same paths work on
//! the service's port.

mod account;
mod call;
mod clock;
mod faults;
mod serve;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    rc::Rc,
    sync::mpsc,
    thread,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

#[allow(unused_imports, reason = "not everybody who starts a stand-in listens")]
pub(crate) use self::account::{Arrival, Delivered};
pub(crate) use self::faults::Faults;
use self::{account::Account, serve::Shared};

/// How a stand-in is started.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Address of the service, if not 127.0.0.1.
    pub(crate) address: Option<Ipv4Addr>,
    /// Port of the service; 0: the kernel chooses.
    pub(crate) port: u16,
    /// Port for control; 0: the kernel chooses.
    pub(crate) control_port: u16,
    /// Accepted records become files `FOLDER/STREAM/NNNNNN`.
    pub(crate) folder: Option<PathBuf>,
    /// How many bytes of accepted records `GET /standin/records` may hold on to.
    pub(crate) keep: usize,
    /// Records that arrive are announced here; one that does not fit is announced to nobody.
    pub(crate) arrivals: Option<mpsc::SyncSender<Arrival>>,
    /// Faults from the first request on.
    pub(crate) faults: Faults,
}

/// A running stand-in; it ends with the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standin {
    /// Port of the service on 127.0.0.1.
    pub(crate) port: u16,
    /// Port for control on 127.0.0.1.
    pub(crate) control_port: u16,
}

impl Standin {
    /// Starts a stand-in on a thread of its own and returns when both ports listen.
    ///
    /// # Errors
    /// When a port is taken, the folder cannot be made, or no thread can be started.
    pub(crate) fn start(options: Options) -> io::Result<Self> {
        let (started, outcome) = mpsc::sync_channel(1);
        thread::Builder::new().name("standin".into()).spawn(move || {
            let failed = started.clone();
            if let Err(error) = run(options, &started) {
                // The receiver is dropped once the start was reported.
                drop(failed.send(Err(error)));
            }
        })?;
        outcome.recv().unwrap_or_else(|_| Err(io::Error::other("the stand-in ended at once")))
    }
}

fn run(options: Options, started: &mpsc::SyncSender<io::Result<Standin>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut service = Service::listen((options.address.unwrap_or(Ipv4Addr::LOCALHOST), options.port).into())?;
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, options.control_port)).await?;
        let ports = Standin { port: service.address.port(), control_port: control.local_addr()?.port() };
        let account = Account::new(options.folder, options.keep, options.arrivals)?;
        let shared = Rc::new(Shared::new(account, options.faults));
        service.set_down(shared.down())?;
        drop(started.send(Ok(ports)));

        let mut connections = JoinSet::new();
        let mut controls = JoinSet::new();
        loop {
            tokio::select! {
                stream = service.accept() => {
                    shared.connected();
                    connections.spawn_local(serve::connection(stream, Rc::clone(&shared)));
                }
                Ok((stream, _)) = control.accept() => {
                    controls.spawn_local(serve::connection(stream, Rc::clone(&shared)));
                }
                () = shared.faults_changed() => {
                    service.set_down(shared.down())?;
                    if shared.down() {
                        connections.abort_all();
                    }
                }
                Some(_) = connections.join_next() => {}
                Some(_) = controls.join_next() => {}
            }
        }
    })
}

/// The service's port. While down it stays bound but does not listen: connections are refused, and nobody else can
/// take the port.
struct Service {
    address: SocketAddr,
    listener: Option<TcpListener>,
    reserved: Option<TcpSocket>,
}

impl Service {
    fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = bind(address)?.listen(1024)?;
        Ok(Self { address: listener.local_addr()?, listener: Some(listener), reserved: None })
    }

    fn set_down(&mut self, down: bool) -> io::Result<()> {
        if down {
            if self.listener.take().is_some() {
                self.reserved = Some(bind(self.address)?);
            }
        } else if let Some(socket) = self.reserved.take() {
            self.listener = Some(socket.listen(1024)?);
        }
        Ok(())
    }

    async fn accept(&self) -> TcpStream {
        loop {
            match &self.listener {
                // An error here is the peer's (it went away before it was accepted).
                Some(listener) => {
                    if let Ok((stream, _)) = listener.accept().await {
                        return stream;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
