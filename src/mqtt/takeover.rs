//! Detects two clients with one id: each disconnects the other, and many brokers close the older connection without a reason.

use core::time::Duration;

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;

use super::MqttError;
use crate::limits::{MQTT_CLOSED_EARLY, MQTT_STABLE};

/// Counts sessions in a row that were closed early and without a reason.
#[derive(Debug, Default)]
pub(super) struct Takeover(u32);

impl Takeover {
    /// The error that is likely behind `error`. `lasted`: for how long there was a session, if there was one.
    pub(super) fn judge(&mut self, error: MqttError, lasted: Option<Duration>, client_id: &str) -> MqttError {
        let is_silent =
            matches!(error, MqttError::Closed(_) | MqttError::Disconnected(DisconnectReasonCode::NormalDisconnection));
        match lasted {
            Some(lasted) if is_silent && lasted < MQTT_STABLE => self.0 = self.0.saturating_add(1),
            // Failed attempts in between do not count.
            None => {}
            Some(_) => self.0 = 0,
        }
        if self.0 >= MQTT_CLOSED_EARLY && is_silent && lasted.is_some() {
            return MqttError::PerhapsTakenOver { client_id: client_id.to_owned() };
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_closed_early_without_a_reason_suggest_a_second_client() {
        let soon = Some(MQTT_STABLE / 2);
        let mut takeover = Takeover::default();
        let mut suspects = |error, lasted| {
            let error = takeover.judge(error, lasted, "gateway");
            matches!(error, MqttError::PerhapsTakenOver { client_id } if client_id == "gateway")
        };
        assert!(!suspects(MqttError::Closed(None), soon));
        assert!(!suspects(MqttError::Closed(None), soon));
        assert!(!suspects(MqttError::Closed(None), None), "there was no session");
        assert!(suspects(MqttError::Closed(None), soon));
        assert!(suspects(MqttError::Disconnected(DisconnectReasonCode::NormalDisconnection), soon));
        assert!(!suspects(MqttError::Closed(None), None), "there was no session");
        assert!(!suspects(MqttError::Closed(None), Some(MQTT_STABLE)), "it lasted");
        assert!(!suspects(MqttError::Closed(None), soon));
        for _ in 0..10 {
            assert!(!suspects(MqttError::Closed(None), None), "the broker is away");
        }
        assert!(!suspects(MqttError::Closed(None), soon));
        for _ in 0..10 {
            assert!(!suspects(MqttError::Disconnected(DisconnectReasonCode::ServerShuttingDown), soon));
        }
        assert!(!suspects(MqttError::Closed(None), soon), "the one before gave a reason");
    }
}
