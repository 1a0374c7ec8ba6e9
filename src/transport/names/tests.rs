use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::*;
use crate::limits::memory::THREADS;
use crate::transport::connect::{Buffers, Reached, connect_watched};
use crate::transport::route::Route;

const V4: c_int = libc::AF_INET;
const V6: c_int = libc::AF_INET6;
const EACH: &[c_int] = &[V6, V4];

fn v4() -> Answer {
    Ok(vec!["127.0.0.1:80".parse().unwrap(), "127.0.0.2:80".parse().unwrap()])
}

fn v6() -> Answer {
    Ok(vec!["[::1]:80".parse().unwrap()])
}

fn resolves(names: &Names, name: &str) -> impl Future<Output = Result<Vec<SocketAddr>, Failed>> + use<> {
    let mut lookup = names.look_up(name, 80);
    async move { lookup.addresses().await }
}

/// Holds threads until it goes, also when the test fails, or the runtime would wait for them for ever.
struct Hold(&'static AtomicBool);

impl Hold {
    fn while_held(released: &AtomicBool) {
        while !released.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn hanging_lookups_of_one_side_leave_the_other_its_threads() {
    static HANGING: AtomicUsize = AtomicUsize::new(0);
    static RELEASED: AtomicBool = AtomicBool::new(false);
    fn hang(_: &str, _: u16, _: c_int) -> Answer {
        HANGING.fetch_add(1, Ordering::SeqCst);
        Hold::while_held(&RELEASED);
        v4()
    }
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build().unwrap();
    let _release = Hold(&RELEASED);
    runtime.block_on(async {
        let (service, broker) = (Names::with(FAMILIES, hang), Names::default());
        let waiting: Vec<_> = (0..2 * THREADS).map(|_| tokio::spawn(resolves(&service, "service"))).collect();
        while HANGING.load(Ordering::SeqCst) < QUESTIONS {
            tokio::task::yield_now().await;
        }
        let found = resolves(&broker, "localhost").await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80), "{found:?}");
        assert_eq!(HANGING.load(Ordering::SeqCst), QUESTIONS, "the others wait for their turn");
        // Nobody waits for these any more; those that hang keep their threads and their turns.
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        resolves(&broker, "localhost").await.unwrap();
        assert!(service.questions.iter().all(|question| question.permit.available_permits() == 0));
        RELEASED.store(true, Ordering::SeqCst);
        assert!(!resolves(&service, "service").await.unwrap().is_empty());
    });
}

#[tokio::test]
async fn an_address_needs_no_lookup() {
    let names = Names::with(EACH, |_, _, _| Err(LookupError::new(libc::EAI_FAIL)));
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(resolves(&names, address).await.unwrap(), [SocketAddr::new(address.parse().unwrap(), 80)]);
    }
}

#[tokio::test]
async fn a_wrong_answer_for_one_address_family_does_not_affect_the_other() {
    for wrong in [libc::EAI_NONAME, libc::EAI_NODATA, libc::EAI_AGAIN, libc::EAI_FAIL, libc::EAI_SYSTEM] {
        static WRONG: AtomicUsize = AtomicUsize::new(0);
        WRONG.store(wrong.unsigned_abs() as usize, Ordering::SeqCst);
        fn error() -> Answer {
            Err(LookupError::new(-c_int::try_from(WRONG.load(Ordering::SeqCst)).unwrap()))
        }
        let names = Names::with(EACH, |_, _, family| if family == V4 { v4() } else { error() });
        assert_eq!(resolves(&names, "broker").await.unwrap(), v4().unwrap(), "{wrong}");
        let names = Names::with(EACH, |_, _, family| if family == V6 { v6() } else { error() });
        assert_eq!(resolves(&names, "broker").await.unwrap(), v6().unwrap(), "{wrong}");
    }
}

#[tokio::test]
async fn a_slow_address_family_delays_no_lookup_and_is_used_later() {
    static RELEASED: AtomicBool = AtomicBool::new(false);
    let names = Names::with(EACH, |_, _, family| {
        if family == V6 {
            Hold::while_held(&RELEASED);
            return v6();
        }
        v4()
    });
    let release = Hold(&RELEASED);
    for _ in 0..3 {
        assert_eq!(resolves(&names, "broker").await.unwrap(), v4().unwrap());
    }
    let mut lookup = names.look_up("broker", 80);
    assert_eq!(lookup.addresses().await.unwrap(), v4().unwrap());
    assert_eq!(lookup.late().await, []);
    drop(release);
    assert_eq!(lookup.addresses().await.unwrap(), v6().unwrap());
    assert_eq!(lookup.late().await, []);
    lookup.addresses().await.unwrap_err();
}

#[tokio::test]
async fn a_name_does_not_exist_only_when_both_address_families_say_so() {
    let names = Names::with(EACH, |name, _, family| {
        let (six, four) = match name {
            "missing" => (libc::EAI_NONAME, libc::EAI_NONAME),
            "there for others" => (libc::EAI_NONAME, libc::EAI_NODATA),
            "there for others, too" => (libc::EAI_NODATA, libc::EAI_NONAME),
            "unknown" => (libc::EAI_NONAME, libc::EAI_AGAIN),
            "unknown, too" => (libc::EAI_FAIL, libc::EAI_NONAME),
            _ => (libc::EAI_AGAIN, libc::EAI_AGAIN),
        };
        Err(LookupError::new(if family == V4 { four } else { six }))
    });
    for name in ["missing", "there for others", "there for others, too", "unknown", "unknown, too", "silent"] {
        let (failure, address, cause) = resolves(&names, name).await.unwrap_err();
        let expected = if name == "missing" { ConnectFailure::NoSuchName } else { ConnectFailure::NameNotResolved };
        assert_eq!((failure, address), (expected, None), "{name}");
        let cause = cause.unwrap().to_string();
        assert!(cause.starts_with("failed to lookup address information: "), "{cause}");
        // Each C library has words of its own for it.
        let no_such_name = io::Error::from(LookupError::new(libc::EAI_NONAME)).to_string();
        assert_eq!(cause == no_such_name, name == "missing", "{name}: {cause}");
    }
}

#[test]
fn ipv6_goes_first_where_this_device_can_use_it() {
    let (four, six) = (v4().unwrap(), v6().unwrap());
    let expected = [six.clone(), four.clone()].concat();
    assert_eq!(together(four.clone(), six.clone()), expected);
    assert_eq!(together(six, four.clone()), expected);
    // No device has a route to a discard-only prefix (RFC 6666).
    let nowhere = vec!["[100::1]:80".parse().unwrap()];
    let expected = [four.clone(), nowhere.clone()].concat();
    assert_eq!(together(four.clone(), nowhere.clone()), expected);
    assert_eq!(together(nowhere, four), expected);
}

#[tokio::test]
async fn a_host_down_for_one_address_family_is_reached_by_the_other_even_if_late() {
    static RELEASED: AtomicBool = AtomicBool::new(false);
    let _release = Hold(&RELEASED);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut route = Route::default();
    route.names = Names::with(EACH, |_, port, family| {
        if family == V6 {
            return Ok(vec![SocketAddr::new("::1".parse().unwrap(), port)]);
        }
        Hold::while_held(&RELEASED);
        Ok(vec![SocketAddr::new("127.0.0.1".parse().unwrap(), port)])
    });
    let (tell, mut told) = mpsc::channel(2);
    let connecting = tokio::spawn(async move {
        connect_watched(&route, "broker", address.port(), None, Buffers::default(), Some(&tell)).await
    });
    let Some(Reached::Addresses(first)) = told.recv().await else { panic!("no address") };
    assert!(first.iter().all(SocketAddr::is_ipv6), "{first:?}");
    RELEASED.store(true, Ordering::SeqCst);
    connecting.await.unwrap().unwrap();
    let Some(Reached::Peer(Some(peer))) = told.recv().await else { panic!("no peer") };
    assert_eq!(peer, address);
}
