//! Which version is spoken with brokers of each kind, in how many attempts.

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;

use super::*;
use crate::config::MqttVersion::{V3, V5};
use crate::mqtt::Unanswered;
use crate::transport::connect::{ConnectError, TlsFailure};

/// What comes of a login.
#[derive(Clone, Copy)]
enum Answer {
    Accepted,
    OtherVersion,
    Closed,
    Silence,
    Refused,
    NotThere,
    OutOfReach,
}
use Answer::{Accepted, Closed, NotThere, OtherVersion, OutOfReach, Refused, Silence};

impl Answer {
    fn result(self) -> Result<(), MqttError> {
        let not_connected = |failure| MqttError::Connect(ConnectError::of(failure));
        Err(match self {
            Accepted => return Ok(()),
            OtherVersion => MqttError::OtherVersion(V5),
            Closed => MqttError::NoAnswer(None),
            Silence => MqttError::Silent(Unanswered::Login, MQTT_CONNECT),
            Refused => MqttError::Refused(ConnectReturnCode::NotAuthorized),
            NotThere => not_connected(ConnectFailure::Refused),
            OutOfReach => not_connected(ConnectFailure::Unreachable),
        })
    }
}

/// What a broker answers in version 5, and in 3.1.1.
type Broker = [Answer; 2];

const BOTH: Broker = [Accepted, Accepted];
const SAYS_SO: Broker = [OtherVersion, Accepted];
const CLOSES: Broker = [Closed, Accepted];
const SILENT: Broker = [Silence, Accepted];
/// What stands before a broker that is starting.
const FRONT: Broker = [Closed; 2];

/// One attempt after each other, without those that follow at once; ends when a session is to go on, or with the first failure that is
/// to be reported. Returns the versions of the attempts.
fn attempt(versions: &mut Versions, [five, three]: Broker, now: Instant) -> (Vec<MqttVersion>, bool) {
    let mut tried = Vec::new();
    loop {
        assert!(tried.len() < 10, "it goes round in circles");
        let version = versions.next();
        tried.push(version);
        let answer = if version == V5 { five } else { three };
        let (up, again) = match answer.result() {
            Ok(()) => {
                let goes_on = versions.accepted(Duration::from_secs(1), now);
                (goes_on, !goes_on)
            }
            Err(error) => (false, versions.failed(&error)),
        };
        if !again {
            return (tried, up);
        }
    }
}

#[test]
fn what_the_broker_answers_decides_and_is_remembered() {
    for (broker, attempts) in [
        (BOTH, vec![(vec![V5], true)]),
        (SAYS_SO, vec![(vec![V5, V3], true), (vec![V3], true)]),
        // After a reason to report, 3.1.1; and its answer makes one more attempt worth while.
        (CLOSES, vec![(vec![V5], false), (vec![V3, V5, V3], true), (vec![V3], true)]),
        (SILENT, vec![(vec![V5], false), (vec![V3, V5, V3], true), (vec![V3], true)]),
    ] {
        let mut versions = Versions::new(None);
        let now = Instant::now();
        for expected in attempts {
            assert_eq!(attempt(&mut versions, broker, now), expected);
            versions.ended(now);
        }
    }
}

#[test]
fn a_broker_of_both_versions_ends_up_with_5_however_it_starts() {
    let now = Instant::now();
    for closed in 0..5 {
        for before in [FRONT, [Silence; 2], [Closed, Silence], [NotThere; 2], [Refused; 2]] {
            let mut versions = Versions::new(None);
            for _ in 0..closed {
                attempt(&mut versions, before, now);
            }
            assert!(attempt(&mut versions, BOTH, now).1);
            assert_eq!(versions.next(), V5, "{closed}");
        }
    }
}

#[test]
fn a_broker_that_learnt_version_5_ends_up_with_it() {
    let now = Instant::now();
    for before in [SAYS_SO, CLOSES, SILENT] {
        for away in [[NotThere; 2], FRONT, [Silence; 2]] {
            let mut versions = Versions::new(None);
            while !attempt(&mut versions, before, now).1 {}
            assert_eq!(attempt(&mut versions, [OutOfReach; 2], now), (vec![V3], false));
            assert_eq!(attempt(&mut versions, before, now), (vec![V3], true), "an uplink that is away says nothing");
            attempt(&mut versions, away, now);
            assert!(attempt(&mut versions, BOTH, now).1);
            assert_eq!(versions.next(), V5);
        }
        // It was never seen to be away.
        let mut versions = Versions::new(None);
        while !attempt(&mut versions, before, now).1 {}
        for (hours, expected) in [(23, V3), (25, V5)] {
            let later = now + Duration::from_secs(hours * 3600);
            versions.ended(later);
            assert_eq!(attempt(&mut versions, BOTH, later), (vec![expected], true));
        }
    }
}

#[test]
fn a_login_that_3_1_1_refuses_is_refused_in_3_1_1_again() {
    let mut versions = Versions::new(None);
    let broker: Broker = [Silence, Refused];
    attempt(&mut versions, broker, Instant::now());
    for _ in 0..3 {
        assert_eq!(attempt(&mut versions, broker, Instant::now()), (vec![V3], false));
    }
}

#[test]
fn a_version_by_setting_is_the_only_one() {
    for version in [V3, V5] {
        for broker in [BOTH, SAYS_SO, CLOSES, SILENT, FRONT, [NotThere; 2]] {
            let mut versions = Versions::new(Some(version));
            for _ in 0..3 {
                assert_eq!(attempt(&mut versions, broker, Instant::now()).0, [version]);
            }
        }
    }
}

#[test]
fn a_certificate_that_is_refused_says_nothing_of_the_version() {
    let mut versions = Versions::new(None);
    let tls = MqttError::Connect(ConnectError::of(ConnectFailure::Tls(TlsFailure::Closed)));
    assert!(!versions.failed(&tls));
    assert_eq!(versions.next(), V5);
}

#[test]
fn a_broker_that_answered_3_1_1_is_soon_known_to_be_silent_to_5() {
    let mut versions = Versions::new(None);
    assert_eq!(versions.patience(), MQTT_ANSWER.0);
    assert_eq!(Versions::new(Some(V5)).patience(), MQTT_CONNECT);
    let silent = || MqttError::Silent(Unanswered::Login, MQTT_CONNECT);
    assert!(!versions.failed(&silent()));
    assert_eq!((versions.next(), versions.patience()), (V3, MQTT_CONNECT));
    assert!(!versions.accepted(Duration::from_secs(2), Instant::now()));
    assert_eq!((versions.next(), versions.patience()), (V5, MQTT_ANSWER.1 + Duration::from_secs(4)));
    assert!(versions.failed(&silent()));
    assert!(versions.accepted(MQTT_CONNECT, Instant::now()));
    versions.failed(&silent());
    assert_eq!((versions.next(), versions.patience()), (V5, MQTT_CONNECT), "never longer");
}

#[test]
fn a_broker_of_version_5_that_is_slow_and_refuses_3_1_1_gets_all_the_time_that_there_is() {
    let mut versions = Versions::new(None);
    let now = Instant::now();
    assert_eq!(versions.patience(), MQTT_ANSWER.0);
    for _ in 0..2 {
        attempt(&mut versions, [Silence, Closed], now);
    }
    assert_eq!((versions.next(), versions.patience()), (V5, MQTT_CONNECT));
    attempt(&mut versions, BOTH, now);
    assert_eq!(versions.patience(), MQTT_ANSWER.0);
}
