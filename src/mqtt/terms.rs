//! What a broker grants less of than it was asked for, and what that costs.

/// The terms of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Publishes come at QoS 0.
    pub publishes_at_most_once: bool,
    /// Statuses go at QoS 0.
    pub statuses_at_most_once: bool,
    /// Seconds that the broker keeps the session, if fewer than asked for.
    pub session_seconds: Option<u32>,
}

impl Terms {
    /// What is lost under these terms, a sentence each.
    pub fn losses(self) -> impl Iterator<Item = String> {
        let what = match self {
            Self { statuses_at_most_once: true, .. } => Some("publishes and statuses"),
            Self { publishes_at_most_once: true, .. } => Some("publishes"),
            _ => None,
        };
        let qos = what.map(|what| {
            format!(
                "the broker grants QoS 0 only: {what} are lost that are on their way when the connection ends, and publishes \
                 that come before the next one"
            )
        });
        let session = self.session_seconds.map(|seconds| {
            format!(
                "the broker keeps the session for {seconds} s only: publishes are lost when the connection is away for longer"
            )
        });
        qos.into_iter().chain(session)
    }
}
