//! What a request is signed with. Where it comes from is the business of `net::credentials`.

use core::fmt;
use std::time::SystemTime;

/// An AWS access key, with its session token and end when it is a temporary one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA...` (long-lived) or `ASIA...` (temporary).
    pub access_key_id: String,
    /// Never logged, never printed by `Debug`.
    pub secret_access_key: String,
    /// Sent as `X-Amz-Security-Token`; present with temporary credentials.
    pub session_token: Option<String>,
    /// When the service stops accepting them; `None` for long-lived keys.
    pub expires_at: Option<SystemTime>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"[redacted]")
            .field("session_token", &self.session_token.as_ref().map(|_| "[redacted]"))
            .field("expires_at", &self.expires_at)
            .finish()
    }
}
