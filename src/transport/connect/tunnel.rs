//! Asks a proxy for a connection to another host (HTTP `CONNECT`, RFC 9110, section 9.3.6).

use core::fmt::Write as _;
use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::stream::Stream;
use crate::{
    config::{Proxy, host_and_port},
    limits::net::{PROXY_HEAD, PROXY_TIMEOUT},
    transport::failure::{ConnectFailure, ProxyFailure, Step},
};

/// Has the proxy at the other end of `stream` connect to `host` and `port`. The proxy resolves the name.
pub(super) async fn tunnel(
    stream: &mut Stream,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), (ConnectFailure, Option<io::Error>)> {
    let status = match timeout(PROXY_TIMEOUT, ask(stream, proxy, host, port)).await {
        Ok(Ok(status)) => status,
        Ok(Err(cause)) => return Err((ConnectFailure::Proxy(ProxyFailure::NotHttp), Some(cause))),
        Err(_) => return Err((ConnectFailure::TimedOut(Step::Proxy), None)),
    };
    match status {
        200..=299 => Ok(()),
        // Some answer a wrong login with a server's status instead of 407.
        401 | 407 => Err((ConnectFailure::Proxy(ProxyFailure::Login(status)), None)),
        status => Err((ConnectFailure::Proxy(ProxyFailure::Refuses(status)), None)),
    }
}

/// Sends the request, and returns the status of the answer.
async fn ask(stream: &mut Stream, proxy: &Proxy, host: &str, port: u16) -> io::Result<u16> {
    // With its port, always: that of CONNECT has no default.
    let target = host_and_port(host, port);
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = &proxy.authorization {
        // Writing to a String cannot fail.
        let _: core::fmt::Result = write!(request, "Proxy-Authorization: {}\r\n", authorization.expose());
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut read = 0;
    loop {
        let status = answer(stream, &mut read).await?;
        // More is to come (RFC 9110, section 15.2).
        if !(100..=199).contains(&status) {
            return Ok(status);
        }
    }
}

/// Reads one answer and returns its status. `read`: bytes of this one and of those before.
async fn answer(stream: &mut Stream, read: &mut usize) -> io::Result<u16> {
    let mut head = Vec::new();
    // Some end their lines with LF alone (RFC 9112, section 2.2).
    while !head.ends_with(b"\n\r\n") && !head.ends_with(b"\n\n") {
        if *read == PROXY_HEAD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("an answer of more than {PROXY_HEAD} bytes"),
            ));
        }
        // Byte by byte, because what follows belongs to the connection; an answer has a few hundred bytes.
        head.push(stream.read_u8().await?);
        *read += 1;
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    answer.parse(&head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    answer.code.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests;
