//! Bounds of finding credentials and of keeping them fresh.

use core::time::Duration;

/// Bytes of a reply of a credentials endpoint. Session tokens are about 1 KiB; AWS promises no maximum.
pub const MAX_REPLY: usize = 16 * 1024;
/// Bytes that the HTTP client may hold of a reply, head included.
pub const HTTP_BUFFER: usize = 16 * 1024;
/// How long a whole exchange with a credentials endpoint may take. Greengrass asks the cloud before it answers.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long all requests to the metadata service of an EC2 instance may take together. On an instance it answers within
/// milliseconds; the SDKs wait 1 s for each of three attempts.
pub const EC2_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the token for requests to that metadata service is valid, seconds.
pub const EC2_TOKEN_SECONDS: u32 = 60;
/// Bytes of a shared credentials or configuration file.
pub const MAX_PROFILE_FILE: u64 = 128 * 1024;
/// Bytes of an authorization token file.
pub const MAX_TOKEN_FILE: u64 = 16 * 1024;
/// Characters of a refusal's text that are shown.
pub const MAX_REFUSAL_TEXT: usize = 200;

/// Temporary credentials are renewed this long before they expire (the SDKs' and Greengrass's value), or a
/// tenth of what is left when that is less.
pub const RENEW_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Long-lived keys are read again after this, so that a rotated key is picked up.
pub const READ_AGAIN: Duration = Duration::from_secs(10 * 60);
/// Least time between two scheduled renewals.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(10);
/// Delay until the next attempt when an endpoint gives credentials that have expired by our clock.
pub const EXPIRED_INTERVAL: Duration = Duration::from_secs(60);
/// Least time between two renewals because the service refused the credentials. Less than
/// [`DRAIN`](super::DRAIN), so that a refusal while stopping is mended in time.
pub const ON_DEMAND_INTERVAL: Duration = Duration::from_secs(4);
/// Delay after the first failure to get credentials; each further failure doubles it.
pub const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// Longest delay after a failure to get credentials.
pub const BACKOFF_CAP: Duration = Duration::from_secs(5 * 60);
