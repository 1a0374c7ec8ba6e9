//! How long to wait before the next attempt to reach the broker. It has no clock and no socket.

use core::net::IpAddr;

use super::MqttError;
use crate::limits::{MQTT_BACKOFF, MQTT_BACKOFF_NEAR, MQTT_OFFLINE, MQTT_REFUSED_BACKOFF, MQTT_STABLE};
use crate::relay::backoff::{Jitter, delay};
use crate::time::Duration;
use crate::transport::connect::{ConnectFailure, TlsFailure};

/// The backoff between attempts to reach the broker.
#[derive(Debug)]
pub(super) struct Retry {
    jitter: Jitter,
    /// Attempts in a row without an established connection.
    failures: u32,
    /// Sessions in a row that ended within [`MQTT_STABLE`].
    short_connections: u32,
    /// Errors in a row that only a person can fix.
    refusals: u32,
    /// The last address tried is this machine's, or of a private network.
    near: bool,
}

impl Retry {
    pub(super) const fn new(jitter: Jitter) -> Self {
        Self { jitter, failures: 0, short_connections: 0, refusals: 0, near: false }
    }

    /// The broker was tried at this address, without a proxy.
    pub(super) fn tried(&mut self, address: IpAddr) {
        self.near = is_near(address);
    }

    /// How long to wait after an attempt that ended with `error`. `lasted`: for how long there was a session, if there was one.
    pub(super) fn after(&mut self, error: &MqttError, lasted: Option<Duration>) -> Duration {
        let ends_a_series = error.is_offline() || matches!(error, MqttError::LeftBehind);
        if ends_a_series || lasted.is_some_and(|lasted| lasted >= MQTT_STABLE) {
            (self.failures, self.short_connections, self.refusals) = (0, 0, 0);
        }
        if error.is_offline() {
            return delay(1, MQTT_OFFLINE, MQTT_OFFLINE, &mut self.jitter);
        }
        self.refusals = if error.is_refusal() { self.refusals.saturating_add(1) } else { 0 };
        self.failures = if lasted.is_some() { 0 } else { self.failures.saturating_add(1) };
        if lasted.is_some() {
            self.short_connections = self.short_connections.saturating_add(1);
        }
        if self.refusals > 1 {
            // Not the first time: a broker that is just starting may refuse once.
            let (base, cap) = MQTT_REFUSED_BACKOFF;
            return base + delay(self.refusals - 1, base, cap, &mut self.jitter);
        }
        let (base, cap) = MQTT_BACKOFF;
        match lasted {
            // Also when it ends each session soon: it may be starting again and again.
            Some(_) if self.near => delay(self.short_connections, base, MQTT_BACKOFF_NEAR, &mut self.jitter),
            // Two clients with one id disconnect each other in this way.
            Some(_) => delay(self.short_connections, base, cap, &mut self.jitter),
            None if self.near && !is_about_tls(error) => {
                delay(self.failures, base, MQTT_BACKOFF_NEAR, &mut self.jitter)
            }
            None => delay(self.failures, base, cap, &mut self.jitter),
        }
    }
}

/// A failed handshake is expensive for both sides, and waiting for the broker to start does not help; but where there is no
/// TLS at all, something may stand before a broker that starts.
fn is_about_tls(error: &MqttError) -> bool {
    matches!(error, MqttError::Connect(error)
        if matches!(error.kind(), ConnectFailure::Tls(failure)
            if !matches!(failure, TlsFailure::Closed | TlsFailure::NotTls | TlsFailure::Other)))
}

/// Whether the address is this machine's or of a private network (RFC 1918, 3927, 4193).
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};

    use super::*;
    use crate::transport::connect::ConnectError;

    /// The longest wait after each of `times` failures, among ten series.
    fn longest(address: &str, error: &MqttError, lasted: Option<Duration>, times: usize) -> Vec<Duration> {
        let mut longest = vec![Duration::ZERO; times];
        for seed in 0..10 {
            let mut retry = Retry::new(Jitter::new(seed));
            retry.tried(address.parse().unwrap());
            for wait in &mut longest {
                *wait = retry.after(error, lasted).max(*wait);
            }
        }
        longest
    }

    #[test]
    fn a_nearby_broker_is_tried_every_few_seconds_for_ever() {
        let busy = MqttError::Refused(ConnectReturnCode::ServerUnavailable);
        for error in [MqttError::NoAnswer(None), MqttError::Closed(None), busy] {
            for near in
                ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.1.1", "fe80::1", "fd00::1"]
            {
                // Also when it starts again and again, and ends each session.
                for lasted in [None, Some(Duration::from_millis(300))] {
                    let waits = longest(near, &error, lasted, 1000);
                    assert!(waits.iter().all(|wait| *wait <= MQTT_BACKOFF_NEAR), "{near}");
                }
            }
            for far in ["8.8.8.8", "172.32.0.1", "2001:db8::1"] {
                let waits = longest(far, &error, None, 100);
                assert!(waits[0] <= MQTT_BACKOFF.0 && waits[99] > MQTT_BACKOFF.1 / 2 && waits[99] <= MQTT_BACKOFF.1);
            }
        }
    }

    #[test]
    fn the_last_address_decides_while_the_name_is_not_found() {
        let mut retry = Retry::new(Jitter::new(1));
        for (address, near) in [("192.168.0.9", true), ("8.8.8.8", false)] {
            retry.tried(address.parse().unwrap());
            let longest = (0..100).map(|_| retry.after(&MqttError::Closed(None), None)).max().unwrap();
            assert_eq!(longest <= MQTT_BACKOFF_NEAR, near);
        }
    }

    #[test]
    fn clients_that_disconnect_each_other_do_so_with_backoff() {
        let lasted = Some(Duration::from_secs(1));
        let waits = longest("8.8.8.8", &MqttError::Closed(None), lasted, 20);
        assert!(waits[0] <= MQTT_BACKOFF.0 && waits[19] > MQTT_BACKOFF.1 / 2, "{waits:?}");
        let taken_over = MqttError::Disconnected(DisconnectReasonCode::SessionTakenOver);
        let waits = longest("127.0.0.1", &taken_over, lasted, 3);
        assert!(waits[0] <= MQTT_BACKOFF.0 && waits[1] >= MQTT_REFUSED_BACKOFF.0, "{waits:?}");
        let seldom = longest("127.0.0.1", &taken_over, Some(MQTT_STABLE), 20);
        assert!(seldom.iter().all(|wait| *wait <= MQTT_BACKOFF.0), "{seldom:?}");
    }

    #[test]
    fn a_session_ends_a_series_of_failures_however_short_it_was() {
        let mut retry = Retry::new(Jitter::new(1));
        for _ in 0..1000 {
            retry.after(&MqttError::Closed(None), None);
        }
        assert!(retry.after(&MqttError::Closed(None), Some(Duration::from_secs(5))) <= MQTT_BACKOFF.0);
    }

    #[test]
    fn a_broker_far_away_is_tried_at_once_when_the_network_is_back() {
        let offline = MqttError::Connect(ConnectError::of(ConnectFailure::Unreachable));
        for error in [MqttError::Closed(None), MqttError::Refused(ConnectReturnCode::NotAuthorized)] {
            let mut retry = Retry::new(Jitter::new(1));
            for _ in 0..1000 {
                retry.after(&error, None);
            }
            assert!(retry.after(&offline, None) <= MQTT_OFFLINE);
            assert!(retry.after(&error, None) <= MQTT_BACKOFF.0, "{error:?}");
        }
    }

    #[test]
    fn a_handshake_that_fails_is_retried_less_often_unless_it_is_cut_off() {
        for (failure, seldom) in [
            (TlsFailure::UnknownIssuer, true),
            (TlsFailure::WrongName, true),
            (TlsFailure::Closed, false),
            (TlsFailure::NotTls, false),
        ] {
            let error = MqttError::Connect(ConnectError::of(ConnectFailure::Tls(failure)));
            let waits = longest("127.0.0.1", &error, None, 100);
            assert_eq!(waits[99] > MQTT_BACKOFF_NEAR, seldom, "{failure:?}");
        }
    }

    #[test]
    fn a_refusal_after_something_else_is_the_first_again() {
        let mut retry = Retry::new(Jitter::new(1));
        let refusal = MqttError::Refused(ConnectReturnCode::NotAuthorized);
        for _ in 0..3 {
            for error in [&refusal, &MqttError::NoAnswer(None)] {
                assert!(retry.after(error, None) < MQTT_REFUSED_BACKOFF.0);
            }
        }
    }

    #[test]
    fn a_second_refusal_means_a_long_wait_and_a_busy_broker_does_not() {
        for (code, refused) in [(ConnectReturnCode::NotAuthorized, true), (ConnectReturnCode::ServerBusy, false)] {
            let waits = longest("127.0.0.1", &MqttError::Refused(code), None, 10);
            assert!(waits[0] <= MQTT_BACKOFF.0);
            assert!(waits[1..].iter().all(|wait| (*wait >= MQTT_REFUSED_BACKOFF.0) == refused), "{waits:?}");
        }
        let (base, cap) = MQTT_REFUSED_BACKOFF;
        let refusal = MqttError::Refused(ConnectReturnCode::NotAuthorized);
        let last = longest("127.0.0.1", &refusal, None, 100)[99];
        assert!(last > base + cap / 2 && last <= base + cap, "{last:?}");
    }
}
