//! Which version of MQTT the next connection speaks, unless a setting says it. It has no clock and no socket.
//!
//! Version 5 is tried first. A broker without it says so, closes the connection, or stays silent; then 3.1.1 is tried. But closing and
//! silence are also what stands before a broker that is starting. So when the broker answers 3.1.1 after one of these, 5 is tried once
//! more, at once, and only if that again has no answer is 3.1.1 spoken. It is for the next connections, too, until one is refused or
//! has no answer, as when the broker starts again, or for a day: a broker may have learnt version 5 meanwhile.

use tokio::time::{Duration, Instant};

use super::MqttError;
use crate::config::MqttVersion;
use crate::limits::{MQTT_ANSWER, MQTT_CONNECT, MQTT_VERSION_KNOWN};
use crate::transport::connect::ConnectFailure;

/// The version to speak, and why.
#[derive(Debug)]
pub(crate) struct Versions {
    by_setting: bool,
    next: MqttVersion,
    known: Known,
    /// How long the broker took to answer a login in 3.1.1.
    answer: Option<Duration>,
    /// The last login in 3.1.1 failed, so perhaps the broker has version 5 and is slow.
    failed_3: bool,
}

/// What is known of the broker's support for version 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing, or the broker has version 5: it is tried next.
    Nothing,
    /// A login in version 5 had no answer: 3.1.1 is tried next.
    Unanswered,
    /// A login in version 5 had no answer, and the one in 3.1.1 that followed had: version 5 is tried once more.
    Doubtful,
    /// The broker does not have version 5, and has not yet accepted a login in 3.1.1.
    Missing,
    /// The broker does not have version 5, and has spoken 3.1.1 since this time.
    Spoken(Instant),
}

impl Versions {
    /// `setting`: the only one to speak.
    pub(crate) fn new(setting: Option<MqttVersion>) -> Self {
        Self {
            by_setting: setting.is_some(),
            next: setting.unwrap_or(MqttVersion::V5),
            known: Known::Nothing,
            answer: None,
            failed_3: false,
        }
    }

    /// That of the next connection.
    pub(crate) const fn next(&self) -> MqttVersion {
        self.next
    }

    /// How long the broker may take to answer the login. Less in version 5 while there is another one to try: if that is answered, a
    /// login in version 5 follows, with time by the answer's.
    pub(crate) fn patience(&self) -> Duration {
        match (self.next, self.answer) {
            (MqttVersion::V5, Some(answer)) => MQTT_CONNECT.min(MQTT_ANSWER.1 + answer * 2),
            (MqttVersion::V5, None) if !self.by_setting && !self.failed_3 => MQTT_ANSWER.0,
            _ => MQTT_CONNECT,
        }
    }

    /// There was no connection, or the login failed. Returns whether the other version is to be tried at once.
    pub(crate) fn failed(&mut self, error: &MqttError) -> bool {
        let says_nothing = match error {
            MqttError::Connect(error) => error.kind() != ConnectFailure::Refused,
            // Whoever may not log in does so in the broker's version.
            MqttError::Refused(_) => self.next == MqttVersion::V3,
            _ => false,
        };
        if self.by_setting || says_nothing {
            return false;
        }
        self.failed_3 = self.next == MqttVersion::V3;
        let was = self.known;
        (self.next, self.known) = match self.next {
            MqttVersion::V5 if matches!(error, MqttError::OtherVersion(_)) => (MqttVersion::V3, Known::Missing),
            MqttVersion::V5 if error.has_no_answer() && was == Known::Doubtful => (MqttVersion::V3, Known::Missing),
            MqttVersion::V5 if error.has_no_answer() => (MqttVersion::V3, Known::Unanswered),
            _ => (MqttVersion::V5, Known::Nothing),
        };
        self.known == Known::Missing
    }

    /// The broker accepted the login within `answer`. Returns whether the connection is to go on, rather than that version 5 is tried once
    /// more.
    pub(crate) fn accepted(&mut self, answer: Duration, now: Instant) -> bool {
        if self.by_setting {
            return true;
        }
        (self.next, self.known) = match (self.next, self.known) {
            (MqttVersion::V5, _) => (MqttVersion::V5, Known::Nothing),
            (MqttVersion::V3, Known::Missing) => (MqttVersion::V3, Known::Spoken(now)),
            (MqttVersion::V3, Known::Spoken(since)) => (MqttVersion::V3, Known::Spoken(since)),
            (MqttVersion::V3, _) => (MqttVersion::V5, Known::Doubtful),
        };
        self.failed_3 = false;
        self.answer = (self.next == MqttVersion::V3 || self.known == Known::Doubtful).then_some(answer);
        self.known != Known::Doubtful
    }

    /// The connection ended.
    pub(crate) fn ended(&mut self, now: Instant) {
        if matches!(self.known, Known::Spoken(since) if now - since >= MQTT_VERSION_KNOWN) {
            (self.next, self.known) = (MqttVersion::V5, Known::Nothing);
        }
    }
}

#[cfg(test)]
mod tests;
