//! The steps to an established connection, reported one by one: DNS, TCP, TLS.

use core::pin::pin;

use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_rustls::client::TlsStream;

use super::report::{Report, Step};
use crate::config::host_and_port;
use crate::error_chain::error_chain;
use crate::transport::connect::{self, Buffers, ConnectFailure, Reached, Stream, TlsFailure, connect_watched};
use crate::transport::route::Route;
use crate::transport::tls::Tls;

/// The peer to connect to, and the steps to report.
pub(super) struct ConnectionSteps<'a> {
    /// DNS, TCP, TLS.
    pub(super) steps: [Step; 3],
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: Option<&'a Tls>,
    /// Size of the kernel's send buffer, bytes; `None`: the system's default.
    pub(super) buffers: Buffers,
    /// What to do about a name that does not exist, and about an unknown CA; empty: nothing to add.
    pub(super) advice: [&'a str; 2],
}

impl ConnectionSteps<'_> {
    /// Connects, and reports each step. `None`: a step failed, and the ones after it were skipped.
    pub(super) async fn connect(self, route: &Route, report: &mut Report<'_>) -> Option<Stream> {
        const PARTS: [connect::Step; 3] = [connect::Step::Resolve, connect::Step::Connect, connect::Step::TlsHandshake];
        let Self { steps, host, port, tls, buffers, .. } = self;
        let (sender, mut progress) = mpsc::channel(2);
        let mut attempt = pin!(connect_watched(route, host, port, tls, buffers, Some(&sender)));
        let mut at = 0;
        let result = loop {
            tokio::select! {
                result = &mut attempt => break result.map_err(|error| (error.kind(), error_chain(&error))),
                Some(reached) = progress.recv() => self.reached(reached, &mut at, report),
                () = sleep_until(report.deadline()) => {
                    let failure = ConnectFailure::TimedOut(PARTS[at]);
                    break Err((failure, format!("{} {failure}", host_and_port(host, port))));
                }
            }
        };
        while let Ok(reached) = progress.try_recv() {
            self.reached(reached, &mut at, report);
        }
        match result {
            Ok(stream) => {
                match &stream {
                    Stream::Plain(_) => report.skip(steps[2], "not asked for by the URL"),
                    Stream::Tls(stream, _) => report.ok(steps[2], describe_tls(stream, host)),
                }
                Some(stream)
            }
            Err((failure, found)) => {
                let [name, ca] = self.advice;
                let advice = match failure {
                    ConnectFailure::NoSuchName | ConnectFailure::NameNotResolved => name,
                    ConnectFailure::Tls(TlsFailure::UnknownIssuer) => ca,
                    _ => "",
                };
                report.fail(steps[at], found, Some(advice).filter(|advice| !advice.is_empty()).map(str::to_owned));
                let why = ["no address", "no TCP connection", ""][at];
                steps[at + 1..].iter().for_each(|step| report.skip(*step, why));
                None
            }
        }
    }

    fn reached(&self, reached: Reached, at: &mut usize, report: &mut Report<'_>) {
        let Self { host, port, .. } = self;
        let found = match reached {
            Reached::Addresses(all) => match &all[..] {
                [only] if only.ip().to_string() == **host => "an address needs no lookup".to_owned(),
                all => {
                    let all: Vec<_> = all.iter().map(|address| address.ip().to_string()).collect();
                    format!("{host} has {}", all.join(", "))
                }
            },
            Reached::Peer(Some(address)) => format!("{address} accepts connections"),
            Reached::Peer(None) => format!("{} accepts connections", host_and_port(host, *port)),
        };
        report.ok(self.steps[*at], found);
        *at = (*at + 1).min(self.steps.len() - 1);
    }
}

fn describe_tls(stream: &TlsStream<Stream>, host: &str) -> String {
    let version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    format!("{version}, the certificate is for {host}, by a trusted CA")
}
