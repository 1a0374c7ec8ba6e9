//! What a broker does not grant of what it was asked for, and what that may lose.

/// Restrictions of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// MQTT 3.1.1 is spoken.
    pub mqtt_3: bool,
    /// Publishes come at QoS 0.
    pub publishes_at_most_once: bool,
    /// Statuses go at QoS 0.
    pub statuses_at_most_once: bool,
    /// Seconds for which the broker keeps the session while the connector is away, if fewer than asked for.
    pub session_seconds: Option<u32>,
    /// Bytes of the largest packet that the broker takes, if below [`STATUS_PACKET`](crate::limits::STATUS_PACKET).
    pub packet_bytes: Option<u32>,
}

impl Terms {
    /// What may be lost under these terms, one sentence each.
    #[must_use]
    pub fn losses(self) -> Vec<String> {
        let mut losses = Vec::new();
        if self.publishes_at_most_once || self.statuses_at_most_once {
            let what = if self.statuses_at_most_once { "publishes and statuses" } else { "publishes" };
            losses.push(format!(
                "the broker grants QoS 0 only: {what} are lost that are on their way when the connection ends, and publishes \
                 that come before the next one"
            ));
        }
        if let Some(seconds) = self.session_seconds {
            losses.push(format!(
                "the broker keeps the session for {seconds} s only: publishes are lost when the connection is away for longer"
            ));
        }
        if let Some(bytes) = self.packet_bytes {
            losses.push(format!(
                "the broker takes packets of at most {bytes} bytes only: statuses are lost that are longer, with a long id or error"
            ));
        }
        losses
    }
}
