//! The keys that sign a request. `credentials` finds and renews them.

use std::time::SystemTime;

use crate::foreign::Secret;

/// An AWS access key, with session token and expiry if it is temporary.
///
/// Not the type of `aws-credential-types`, which [`sign`](super::sign) makes of it: a [`Secret`] is kept out of all messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA...` (long-lived) or `ASIA...` (temporary).
    pub access_key_id: String,
    /// The key that signs.
    pub secret_access_key: Secret,
    /// Sent as `X-Amz-Security-Token`; present with temporary credentials.
    pub session_token: Option<Secret>,
    /// When the service stops accepting them; `None` for long-lived keys.
    pub expires_at: Option<SystemTime>,
}

/// Bytes of an access key id (AWS STS, `Credentials`: 16 to 128).
const KEY_ID: usize = 128;

impl Credentials {
    /// The access key id for a message, unless it is invalid: then it may be the secret key in the wrong place.
    #[must_use]
    pub fn shown_id(&self) -> &str {
        let is_id =
            self.access_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        if is_id && self.access_key_id.len() <= KEY_ID { &self.access_key_id } else { "[not a key id]" }
    }
}
