//! Resolves host names, with a permit and a thread for each question of each side.
//!
//! glibc's resolver is asked for both address families at once. musl's would then return no address when one of its two
//! questions is answered wrongly or not at all, as many routers and VPN clients do for IPv6. So it is asked for each
//! family by itself, and the faster answer waits for the other no longer than
//! [`RESOLUTION_DELAY`](limits::RESOLUTION_DELAY). glibc is not asked so, because it would add addresses of a name
//! server to those of a host that `/etc/hosts` has for one family.
//!
//! The C library's resolver holds a thread until it is done, even when the answer is no longer wanted, and there are
//! only [`THREADS`](crate::limits::memory::THREADS) of them. The broker's side and the service's have a [`Names`] each,
//! with at most one thread for a question: lookups of one side that hang never delay the other.

mod hosts;

use core::ffi::c_int;
use core::future::{poll_fn, ready};
use core::pin::Pin;
use core::task::Poll;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use socket2::{Domain, Socket, Type};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::failure::{ConnectFailure, Failed, Step};
use crate::config::bounded_file;
use crate::limits::memory::{QUESTIONS, THREAD_STACK};
use crate::limits::net as limits;
use crate::sandbox::{HOSTS, RESOLVER};

/// One side's lookups. Clones share the permits, so one waits for the other.
#[derive(Debug, Clone)]
pub struct Names {
    questions: Vec<Question>,
}

/// One question to the resolver about a name, asked by one lookup at a time.
#[derive(Debug, Clone)]
struct Question {
    family: c_int,
    permit: Arc<Semaphore>,
    ask: Ask,
}

type Ask = fn(&str, u16, c_int) -> Answer;
type Answer = Result<Vec<SocketAddr>, LookupError>;

const FAMILIES: &[c_int] = if QUESTIONS == 1 { &[libc::AF_UNSPEC] } else { &[libc::AF_INET6, libc::AF_INET] };
const _: () = assert!(FAMILIES.len() == QUESTIONS);

impl Default for Names {
    fn default() -> Self {
        Self::with(FAMILIES, ask_the_system)
    }
}

impl Names {
    fn with(families: &[c_int], ask: Ask) -> Self {
        let question = |&family| Question { family, permit: Arc::new(Semaphore::new(1)), ask };
        Self { questions: families.iter().map(question).collect() }
    }

    /// Starts to resolve `host` (name or address, without brackets).
    pub(super) fn look_up(&self, host: &str, port: u16) -> Lookup {
        let asked = match host.parse::<IpAddr>() {
            Ok(address) => vec![Box::pin(ready(Ok(vec![SocketAddr::new(address, port)]))) as _],
            Err(_) => {
                let ask = |question: &Question| Box::pin(question.clone().ask(host.to_owned(), port)) as _;
                self.questions.iter().map(ask).collect()
            }
        };
        Lookup { asked, end: Instant::now() + limits::RESOLVE_TIMEOUT }
    }
}

impl Question {
    async fn ask(self, host: String, port: u16) -> Answer {
        let Self { family, permit, ask } = self;
        let permit = permit.acquire_owned().await.map_err(io::Error::other)?;
        let (answer, asked) = oneshot::channel();
        // A thread that the system does not give fails the lookup, and not the process.
        thread::Builder::new().stack_size(THREAD_STACK).spawn(move || {
            let found = ask(&host, port, family);
            // Released only now, because the thread is in use until here.
            drop(permit);
            // Nobody may want it any more.
            let _: Result<(), _> = answer.send(found);
        })?;
        asked.await.map_err(io::Error::other)?
    }
}

/// A name that is being resolved: each question may be answered at its own time.
pub(super) struct Lookup {
    asked: Vec<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    end: Instant,
}

impl Lookup {
    /// The addresses that were not returned before: those of the first family that has some, and of the other if it
    /// answers soon after. Call again for the rest.
    ///
    /// # Errors
    /// No address within [`RESOLVE_TIMEOUT`](limits::RESOLVE_TIMEOUT) since the lookup began, including the wait for
    /// earlier ones; or the resolver's error. A name does not exist only if all answers say so.
    pub(super) async fn addresses(&mut self) -> Result<Vec<SocketAddr>, Failed> {
        self.addresses_by(self.end).await
    }

    /// The addresses that were found meanwhile.
    pub(super) async fn late(&mut self) -> Vec<SocketAddr> {
        if self.asked.is_empty() {
            return Vec::new();
        }
        self.addresses_by(Instant::now()).await.unwrap_or_default()
    }

    async fn addresses_by(&mut self, mut end: Instant) -> Result<Vec<SocketAddr>, Failed> {
        let mut found = Vec::new();
        let mut failure: Option<LookupError> = None;
        let is_late = loop {
            match timeout_at(end, self.next()).await {
                Ok(Some(Ok(more))) => {
                    found = if found.is_empty() { more } else { together(found, more) };
                    end = end.min(Instant::now() + limits::RESOLUTION_DELAY);
                }
                Ok(Some(Err(error))) => {
                    if failure.as_ref().is_none_or(|failure| matches!(failure.kind(), LookupErrorKind::NoName)) {
                        failure = Some(error);
                    }
                }
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        if !found.is_empty() {
            return Ok(found);
        }
        Err(match failure {
            _ if is_late => (ConnectFailure::TimedOut(Step::Resolve), None, None),
            None => (ConnectFailure::NameNotResolved, None, None),
            Some(failure) => {
                let is_missing = matches!(failure.kind(), LookupErrorKind::NoName);
                let what = if is_missing { ConnectFailure::NoSuchName } else { ConnectFailure::NameNotResolved };
                (what, None, Some(failure.into()))
            }
        })
    }

    /// The next answer. `None`: all questions are answered.
    async fn next(&mut self) -> Option<Answer> {
        poll_fn(|context| {
            let answers = self.asked.iter_mut().map(|asked| asked.as_mut().poll(context));
            let answered = answers.enumerate().find_map(|(at, answer)| match answer {
                Poll::Ready(answer) => Some((at, answer)),
                Poll::Pending => None,
            });
            match answered {
                Some((at, answer)) => {
                    drop(self.asked.swap_remove(at));
                    Poll::Ready(Some(answer))
                }
                None if self.asked.is_empty() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// Joins the addresses of both families in the order of the resolver: IPv6 first where this device has an address of
/// the same kind, unique local (RFC 4193) or global.
fn together(mut found: Vec<SocketAddr>, mut more: Vec<SocketAddr>) -> Vec<SocketAddr> {
    found.append(&mut more);
    let v6 = found.iter().find(|address| address.is_ipv6());
    let is_v6_first = v6.is_some_and(|&v6| is_suited(v6).unwrap_or(false));
    let first = found.iter().position(|address| address.is_ipv6() == is_v6_first);
    found.rotate_left(first.unwrap_or(0));
    found
}

/// Whether this device has an address of the same kind. Sends nothing: the kernel chooses the address that it would
/// send from.
fn is_suited(to: SocketAddr) -> io::Result<bool> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    socket.connect(&to.into())?;
    let from = socket.local_addr()?.as_socket_ipv6();
    let is_local = |address: &SocketAddrV6| address.ip().is_unique_local();
    Ok(matches!((from, to), (Some(from), SocketAddr::V6(to)) if is_local(&from) == is_local(&to)))
}

/// Why no name server is asked, if an option of the system's file is why. C libraries do not say so; one of them takes
/// a time-out of zero for none, others a number of attempts.
pub(super) fn asks_nobody() -> Option<io::Error> {
    const OPTION: &str = if cfg!(target_env = "musl") { "timeout:0" } else { "attempts:0" };
    let text = bounded_file::read_text(Path::new(RESOLVER), limits::RESOLVER_FILE).ok()?;
    let mut options = text.lines().filter(|line| line.starts_with("options")).flat_map(str::split_whitespace);
    let option = options.find(|option| *option == OPTION)?;
    Some(io::Error::other(format!("{option} in {RESOLVER} lets no name server be asked: leave it out")))
}

fn ask_the_system(host: &str, port: u16, family: c_int) -> Answer {
    let is_missing =
        |answer: &Answer| answer.as_ref().is_err_and(|error| matches!(error.kind(), LookupErrorKind::NoName));
    let answer = ask_for(host, port, family);
    if QUESTIONS > 1 || !is_missing(&answer) {
        return answer;
    }
    // glibc reports the error of one family for both.
    let each = [libc::AF_INET6, libc::AF_INET].map(|family| ask_for(host, port, family));
    each.into_iter().find(|answer| !is_missing(answer)).unwrap_or(answer)
}

fn ask_for(host: &str, port: u16, family: c_int) -> Answer {
    // The C library reads a file that cannot be read here.
    if QUESTIONS > 1
        && let Ok(text) = bounded_file::read_text(Path::new(HOSTS), limits::RESOLVER_FILE)
        && let Some(answer) = hosts::answer(&text, host, port, family)
    {
        return answer;
    }
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), address: family, ..AddrInfoHints::default() };
    let found = match getaddrinfo(Some(host), None, Some(hints)) {
        // Whatever a name server or `/etc/hosts` knows of it (RFC 6761, section 6.3): Greengrass has credentials there.
        Err(_) if host.eq_ignore_ascii_case("localhost") && family != libc::AF_INET6 => {
            return Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
        }
        found => found?,
    };
    found
        .map(|found| {
            let mut address = found?.sockaddr;
            address.set_port(port);
            Ok(address)
        })
        .collect()
}

#[cfg(test)]
mod tests;
