//! Two clients of one id put each other out, and many brokers close the connection of the one before without a word.

use core::time::Duration;

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode;

use super::MqttError;
use crate::limits::{MQTT_CLOSED_EARLY, MQTT_STABLE};

/// Sessions in a row that stood for a short time and were closed without a reason.
#[derive(Debug, Default)]
pub(super) struct Takeover(u32);

impl Takeover {
    /// Says of a session that ended with `error`, having stood for `stood`, what may have ended it.
    pub(super) fn judge(&mut self, error: MqttError, stood: Option<Duration>, client_id: &str) -> MqttError {
        let is_silent =
            matches!(error, MqttError::Closed(_) | MqttError::Disconnected(DisconnectReasonCode::NormalDisconnection));
        match stood {
            Some(stood) if is_silent && stood < MQTT_STABLE => self.0 = self.0.saturating_add(1),
            // Between two of them the broker may be away.
            None => {}
            Some(_) => self.0 = 0,
        }
        if self.0 >= MQTT_CLOSED_EARLY && is_silent && stood.is_some() {
            return MqttError::PerhapsTakenOver { client_id: client_id.to_owned() };
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_closed_early_and_without_a_reason_raise_a_suspicion_and_no_others() {
        let soon = Some(MQTT_STABLE / 2);
        let mut takeover = Takeover::default();
        let mut suspects = |error, stood| {
            let error = takeover.judge(error, stood, "gateway");
            matches!(error, MqttError::PerhapsTakenOver { client_id } if client_id == "gateway")
        };
        assert!(!suspects(MqttError::Closed(None), soon));
        assert!(!suspects(MqttError::Closed(None), soon));
        assert!(!suspects(MqttError::Closed(None), None), "there was no session");
        assert!(suspects(MqttError::Closed(None), soon));
        assert!(suspects(MqttError::Disconnected(DisconnectReasonCode::NormalDisconnection), soon));
        assert!(!suspects(MqttError::Closed(None), None), "there was no session");
        assert!(!suspects(MqttError::Closed(None), Some(MQTT_STABLE)), "it stood");
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
