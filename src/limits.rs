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
