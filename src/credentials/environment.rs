//! Keys in the environment itself. They cannot change while the process lives.

use crate::{config::EnvironmentKeys, firehose::credentials::Credentials};

pub(super) const VARIABLES: &str = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

pub(super) fn credentials(keys: &EnvironmentKeys) -> Credentials {
    Credentials {
        access_key_id: keys.access_key_id.clone(),
        secret_access_key: keys.secret_access_key.clone(),
        session_token: keys.session_token.clone(),
        expires_at: None,
    }
}
