//! Every bound, with its unit and source.

/// Bounds of connections, TLS and the files they need.
pub mod net {
    use core::time::Duration;

    /// Name resolution, seconds. glibc gives up after 5 s and 2 attempts per name server; two of them are tried.
    pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(20);
    /// One address, seconds: the first SYN and its repetitions after 1, 3 and 7 s.
    pub const CONNECT_ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
    /// All addresses of a name together, seconds.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
    /// TLS handshake, seconds: four round trips with about 6 KiB, on links that carry 1 KiB a second.
    pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
    /// Addresses of one name that are considered, the rest is ignored. AWS endpoints answer with up to 8 per family.
    pub const MAX_ADDRESSES: usize = 16;
    /// Silence on a connection before the kernel probes the peer, seconds. NAT tables forget after some minutes.
    pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);
    /// Between two probes, seconds.
    pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
    /// Bytes that the kernel may hold unsent for a connection to the service (`SO_SNDBUF`; the kernel doubles it for its
    /// own accounting). Small enough that a slow link shows progress between two time-outs.
    pub const SERVICE_SEND_BUFFER: u32 = 128 * 1024;
    /// Bytes that a TLS connection may hold unsent, in either direction of the API.
    pub const TLS_BUFFER: usize = 32 * 1024;
    /// Server names whose TLS sessions are remembered for a short handshake.
    pub const TLS_SESSIONS: usize = 4;
    /// Bytes of a PEM file. The whole Mozilla bundle of a distribution is about 225 KiB.
    pub const MAX_PEM_FILE: u64 = 512 * 1024;
}

/// Bounds of finding credentials and of keeping them fresh.
pub mod credentials {
    use core::time::Duration;

    /// Bytes of a reply of a credentials endpoint. Session tokens are about 1 KiB; AWS promises no maximum.
    pub const MAX_REPLY: usize = 16 * 1024;
    /// Bytes that the HTTP client may hold of a reply, head included.
    pub const HTTP_BUFFER: usize = 16 * 1024;
    /// A whole exchange with a credentials endpoint, seconds. Greengrass asks the cloud before it answers.
    pub const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
    /// Bytes of a shared credentials or configuration file.
    pub const MAX_PROFILE_FILE: u64 = 256 * 1024;
    /// Bytes of an authorization token file.
    pub const MAX_TOKEN_FILE: u64 = 16 * 1024;
    /// Characters of a refusal's text that are shown.
    pub const MAX_REFUSAL_TEXT: usize = 200;

    /// Temporary credentials are renewed this long before their end, seconds (the SDKs' and Greengrass's value), or a
    /// tenth of what is left when that is less.
    pub const RENEW_AHEAD: Duration = Duration::from_secs(5 * 60);
    /// Long-lived keys are read again after this, seconds, so that a rotated key is picked up.
    pub const READ_AGAIN: Duration = Duration::from_secs(10 * 60);
    /// Between two scheduled renewals at least, seconds.
    pub const RENEW_INTERVAL: Duration = Duration::from_secs(10);
    /// Until the next try when the endpoint hands out credentials that have ended by our clock, seconds.
    pub const ENDED_INTERVAL: Duration = Duration::from_secs(60);
    /// Between two renewals because the service refused what we have, at least, seconds.
    pub const ON_DEMAND_INTERVAL: Duration = Duration::from_secs(10);
    /// Waiting after the first failure, seconds; doubled with each further one.
    pub const BACKOFF_BASE: Duration = Duration::from_secs(1);
    /// Waiting after many failures, seconds.
    pub const BACKOFF_CAP: Duration = Duration::from_secs(5 * 60);
}
