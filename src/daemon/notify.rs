//! Messages to the service manager (sd_notify(3)): readiness, a status line, and the watchdog's sign of life.
//!
//! Without `NOTIFY_SOCKET` nothing is sent. The socket does not block, so a service manager that does not read never
//! holds up the loop. A message that is dropped is no loss: each carries the whole state.

use core::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;

use log::warn;
use sd_notify::NotifyState;

use super::uplink::{EndedRequest, Problem};
use crate::error_chain::words::of_system;
use crate::limits::{WATCHDOG_INTERVAL_MIN, WATCHDOG_SHARE};
use crate::relay::Relay;
use crate::time::{Duration, Instant};

/// The connection to the service manager, and the state it is told.
#[derive(Debug, Default)]
pub(super) struct Notify {
    socket: Option<UnixDatagram>,
    /// Longest time between two messages; `None`: there is no watchdog.
    interval: Option<Duration>,
    state: State,
    /// Time and state of the last message.
    sent: Option<(Instant, State)>,
}

/// What the status line shows beside the counters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct State {
    stopping: bool,
    broker: bool,
    service: Service,
    /// Records that are in the spool: told, but no reason to tell.
    spool: Spool,
}

/// What the spool holds, if there is one. One is as good as another where changes are told.
#[derive(Debug, Default, Clone, Copy, Eq)]
struct Spool(Option<u64>);

impl PartialEq for Spool {
    fn eq(&self, other: &Self) -> bool {
        (self.0 > Some(0)) == (other.0 > Some(0))
    }
}

/// The result of the last request to the service.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Service {
    #[default]
    NotCalled,
    /// It accepted the records.
    Accepts,
    /// It refused them for good.
    Refuses,
    /// The request is retried.
    Retrying,
}

impl Notify {
    /// From `NOTIFY_SOCKET` and `WATCHDOG_USEC`. A socket that cannot be connected is logged, and nothing is sent.
    pub(super) fn from_environment() -> Self {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let connected = UnixDatagram::unbound().and_then(|socket| {
            socket.connect(&path)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        match connected {
            Ok(socket) => Self::new(socket, sd_notify::watchdog_enabled()),
            Err(error) => {
                warn!("cannot notify the service manager, NOTIFY_SOCKET is {}: {}", path.display(), of_system(&error));
                Self::default()
            }
        }
    }

    fn new(socket: UnixDatagram, watchdog: Option<Duration>) -> Self {
        let interval = watchdog.map(|time| (time / WATCHDOG_SHARE).max(WATCHDOG_INTERVAL_MIN));
        Self { socket: Some(socket), interval, ..Self::default() }
    }

    /// When the next sign of life is due; `None`: there is no watchdog, or nothing was sent yet.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (last, _) = self.sent?;
        Some(last + self.interval?)
    }

    /// Sends a message if the state has changed or a sign of life is due. The first one reports readiness.
    ///
    /// Called by the loop on each turn and by nothing else, so that a loop that hangs gives no sign of life.
    pub(super) fn send_if_due(&mut self, now: Instant, relay: &Relay) {
        let Some(socket) = &self.socket else { return };
        let is_new = self.sent.is_none_or(|(_, state)| state != self.state);
        if is_new || self.deadline().is_some_and(|deadline| deadline <= now) {
            self.sent = Some((now, self.state));
            // If it is dropped, the next message says it all again.
            let _: io::Result<usize> = socket.send(self.state.message(relay).as_bytes());
        }
    }

    /// So many records are in the spool.
    pub(super) const fn spool(&mut self, records: u64) {
        self.state.spool = Spool(Some(records));
    }

    pub(super) const fn stopping(&mut self) {
        self.state.stopping = true;
    }

    pub(super) const fn broker(&mut self, connected: bool) {
        self.state.broker = connected;
    }

    pub(super) const fn settled(&mut self, done: &EndedRequest) {
        self.state.service = match done.problem {
            None => Service::Accepts,
            Some(Problem::Refused { .. }) if done.settled.failed > 0 => Service::Refuses,
            Some(_) => Service::Retrying,
        };
    }
}

impl State {
    fn message(self, relay: &Relay) -> String {
        let phase = if self.stopping { NotifyState::Stopping } else { NotifyState::Ready };
        let counters = relay.counters();
        let status = format!(
            "{self}; {} received, {} succeeded, {} failed, {} held",
            counters.received,
            counters.succeeded,
            counters.failed,
            relay.held()
        );
        let status = match self.spool {
            Spool(Some(records)) => format!("{status}, {records} in the spool"),
            Spool(None) => status,
        };
        let mut message = String::new();
        for state in [phase, NotifyState::Watchdog, NotifyState::Status(&status)] {
            // Writing to a String cannot fail.
            let _: fmt::Result = writeln!(message, "{state}");
        }
        message
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stopping {
            f.write_str("stopping, ")?;
        }
        f.write_str(if self.broker { "broker connected, " } else { "broker not connected, " })?;
        f.write_str(match self.service {
            Service::NotCalled => "nothing sent yet",
            Service::Accepts => "service takes records",
            Service::Refuses => "service refuses records",
            Service::Retrying => "service cannot be reached or puts off, trying on",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Settings;
    use crate::relay::arn::DeliveryStreamArn;

    const WATCHDOG: Duration = Duration::from_secs(60);

    fn relay() -> Relay {
        let arn = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/stream-name";
        Relay::new(&Settings {
            version: 5,
            default_delivery_stream: DeliveryStreamArn::parse(arn).unwrap(),
            queue_size: 2000,
            publish_interval: Duration::from_secs(10),
            arena_bytes: crate::limits::ARENA_BYTES,
            connections: 1,
            acknowledge: crate::relay::Acknowledge::Safe,
            packing: crate::relay::pack::Packing::OFF,
            seed: 1,
        })
    }

    fn pair(watchdog: Option<Duration>) -> (Notify, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Notify::new(ours, watchdog), theirs)
    }

    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 1024];
        core::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|n| String::from_utf8(buffer[..n].to_vec()).unwrap()))
            .collect()
    }

    #[test]
    fn the_first_message_reports_readiness_and_a_change_is_sent_once() {
        let (relay, (mut notify, service_manager)) = (relay(), pair(None));
        assert_eq!(heard(&service_manager), Vec::<String>::new());
        let now = Instant::default();
        notify.send_if_due(now, &relay);
        notify.send_if_due(now, &relay);
        let ready = "READY=1\nWATCHDOG=1\nSTATUS=broker not connected, nothing sent yet; \
                     0 received, 0 succeeded, 0 failed, 0 held\n";
        assert_eq!(heard(&service_manager), [ready]);
        notify.broker(true);
        notify.send_if_due(now, &relay);
        notify.send_if_due(now, &relay);
        assert!(matches!(&heard(&service_manager)[..], [one] if one.contains("STATUS=broker connected")));
        notify.stopping();
        notify.send_if_due(now, &relay);
        assert!(matches!(&heard(&service_manager)[..], [one] if one.starts_with("STOPPING=1\n")));
        assert_eq!(notify.deadline(), None);
    }

    #[test]
    fn a_sign_of_life_is_sent_only_by_the_loop_and_within_half_of_the_watchdogs_time() {
        let (relay, (mut notify, service_manager)) = (relay(), pair(Some(WATCHDOG)));
        let mut now = Instant::default();
        notify.send_if_due(now, &relay);
        heard(&service_manager);
        for _ in 0..1000 {
            let deadline = notify.deadline().unwrap();
            assert!(deadline.since(now) <= WATCHDOG / 2);
            notify.send_if_due(Instant::from_millis(deadline.as_millis() - 1), &relay);
            assert_eq!(heard(&service_manager), Vec::<String>::new());
            now = deadline;
            notify.send_if_due(now, &relay);
            assert!(matches!(&heard(&service_manager)[..], [one] if one.contains("WATCHDOG=1\n")));
        }
    }

    #[test]
    fn a_service_manager_that_does_not_read_holds_up_nothing() {
        let (relay, (mut notify, service_manager)) = (relay(), pair(Some(WATCHDOG)));
        let mut now = Instant::default();
        for _ in 0..10_000 {
            notify.send_if_due(now, &relay);
            now = now + WATCHDOG;
        }
        assert!(heard(&service_manager).len() < 10_000);
        notify.send_if_due(now, &relay);
        assert_eq!(heard(&service_manager).len(), 1);
    }

    #[test]
    fn a_tiny_watchdog_time_makes_no_busy_loop() {
        let (relay, (mut notify, _service_manager)) = (relay(), pair(Some(Duration::from_micros(1))));
        notify.send_if_due(Instant::default(), &relay);
        assert_eq!(notify.deadline(), Some(Instant::default() + WATCHDOG_INTERVAL_MIN));
    }
}
