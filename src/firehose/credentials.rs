//! The keys that sign a request. `credentials` finds and renews them.

use std::time::SystemTime;

use crate::foreign::Secret;

/// An AWS access key, with session token and expiry if it is temporary.
///
/// Not the type of `aws-credential-types`, which [`sign`](super::sign) makes of it: a [`Secret`] is kept out of all
/// messages.
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
/// Bytes from which on small letters make it look like a secret key, which has 40 of base64; an id has capitals and
/// digits.
const LIKE_A_SECRET: usize = 32;

impl Credentials {
    /// The access key id for a message, unless it is invalid: then it may be the secret key in the wrong place.
    #[must_use]
    pub fn shown_id(&self) -> &str {
        let is_id =
            self.access_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        let is_secret = self.access_key_id.len() >= LIKE_A_SECRET
            && self.access_key_id.bytes().any(|byte| byte.is_ascii_lowercase());
        if is_id && !is_secret && self.access_key_id.len() <= KEY_ID { &self.access_key_id } else { "[not a key id]" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_in_the_place_of_the_id_is_not_shown() {
        for (id, is_shown) in [
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("minio-user.1", true),
            ("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab", false),
            ("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", false),
        ] {
            let (secret_access_key, session_token, expires_at) = (Secret::new("x"), None, None);
            let credentials =
                Credentials { access_key_id: id.to_owned(), secret_access_key, session_token, expires_at };
            assert_eq!(credentials.shown_id() == id, is_shown, "{id}");
        }
    }
}
