//! Names of hosts to addresses, one lookup at a time for each side.
//!
//! The C library's resolver holds a thread until it is done, also when nobody waits for the answer any more, and there are
//! only [`THREADS`](crate::limits::memory::THREADS) of them. The broker's side and the service's have a [`Names`] each, and
//! each takes one thread at most: lookups of the one that hang never hold up the other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::connect::{ConnectFailure, Failed, Step};
use crate::limits::net as limits;

/// One side's lookups. Clones wait for each other.
#[derive(Debug, Clone)]
pub struct Names {
    turn: Arc<Semaphore>,
    lookup: Lookup,
}

type Lookup = fn(&str, u16) -> Result<Vec<SocketAddr>, LookupError>;

impl Default for Names {
    fn default() -> Self {
        Self::with(ask_the_system)
    }
}

impl Names {
    fn with(lookup: Lookup) -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), lookup }
    }

    /// The addresses of `host` (name or address, without brackets), in the resolver's order.
    ///
    /// # Errors
    /// None after [`RESOLVE_TIMEOUT`](limits::RESOLVE_TIMEOUT), waiting for earlier lookups included; or the resolver's.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failed> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let failure = match timeout(limits::RESOLVE_TIMEOUT, self.take_turn(host.to_owned(), port)).await {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err(error)) => error,
            Err(_) => return Err((ConnectFailure::TimedOut(Step::Resolve), None, None)),
        };
        let what = match failure.kind() {
            LookupErrorKind::NoName => ConnectFailure::NoSuchName,
            _ => ConnectFailure::NameNotResolved,
        };
        Err((what, None, Some(failure.into())))
    }

    async fn take_turn(&self, host: String, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(std::io::Error::other)?;
        let lookup = self.lookup;
        let looked_up = spawn_blocking(move || {
            let addresses = lookup(&host, port);
            // Not before: the thread is taken until here.
            drop(turn);
            addresses
        });
        looked_up.await.map_err(std::io::Error::other)?
    }
}

fn ask_the_system(host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(host), None, Some(hints))?;
    found
        .map(|found| {
            let mut address = found?.sockaddr;
            address.set_port(port);
            Ok(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::runtime::Builder;

    use super::*;
    use crate::limits::memory::THREADS;

    static HANGING: AtomicUsize = AtomicUsize::new(0);
    static RELEASED: AtomicBool = AtomicBool::new(false);

    fn hang(_: &str, _: u16) -> Result<Vec<SocketAddr>, LookupError> {
        HANGING.fetch_add(1, Ordering::SeqCst);
        while !RELEASED.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Ok(Vec::new())
    }

    /// Also when the test fails, or the runtime would wait for the thread for ever.
    struct ReleaseAtTheEnd;

    impl Drop for ReleaseAtTheEnd {
        fn drop(&mut self) {
            RELEASED.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn lookups_of_one_side_that_hang_leave_a_thread_to_the_other() {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build().unwrap();
        let _release = ReleaseAtTheEnd;
        runtime.block_on(async {
            let (service, broker) = (Names::with(hang), Names::default());
            let waiting: Vec<_> = (0..2 * THREADS)
                .map(|_| {
                    let service = service.clone();
                    tokio::spawn(async move { service.resolve("service", 443).await })
                })
                .collect();
            while HANGING.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            let found = broker.resolve("localhost", 1883).await.unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 1883), "{found:?}");
            assert_eq!(HANGING.load(Ordering::SeqCst), 1, "the others wait for their turn");
            // Nobody waits for these any more; the one that hangs keeps its thread and its turn.
            waiting.iter().for_each(tokio::task::JoinHandle::abort);
            broker.resolve("localhost", 1883).await.unwrap();
            assert_eq!(service.turn.available_permits(), 0);
            RELEASED.store(true, Ordering::SeqCst);
            assert_eq!(service.resolve("service", 443).await.unwrap(), []);
        });
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let names = Names::with(|_, _| Err(LookupError::new(libc::EAI_FAIL)));
        for address in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(names.resolve(address, 80).await.unwrap(), [SocketAddr::new(address.parse().unwrap(), 80)]);
        }
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_told_from_a_resolver_that_does_not_know() {
        let names = Names::with(|name, _| {
            Err(LookupError::new(if name == "missing" { libc::EAI_NONAME } else { libc::EAI_AGAIN }))
        });
        for (name, expected) in [("missing", ConnectFailure::NoSuchName), ("other", ConnectFailure::NameNotResolved)] {
            let (failure, address, cause) = names.resolve(name, 80).await.unwrap_err();
            assert_eq!((failure, address), (expected, None));
            assert!(cause.unwrap().to_string().starts_with("failed to lookup address information: "));
        }
    }
}
