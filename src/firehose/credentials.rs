//! What a request is signed with. Where it comes from is the business of `net::credentials`.

use std::time::SystemTime;

use crate::foreign::Secret;

/// An AWS access key, with its session token and end when it is a temporary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA...` (long-lived) or `ASIA...` (temporary).
    pub access_key_id: String,
    /// What signs.
    pub secret_access_key: Secret,
    /// Sent as `X-Amz-Security-Token`; present with temporary credentials.
    pub session_token: Option<Secret>,
    /// When the service stops accepting them; `None` for long-lived keys.
    pub expires_at: Option<SystemTime>,
}
