//! Bounds of `check --online`.

use core::time::Duration;

/// How long a step may take. A TLS handshake takes 13 s on a link of 64 kbit/s with 1.5 s each way.
pub const STEP: Duration = Duration::from_secs(20);
/// How long all steps may take together; those that come later have what is left.
pub const ALL: Duration = Duration::from_secs(110);
/// Duration of a step from which on it is shown.
pub const NOTICEABLE: Duration = Duration::from_secs(1);
