//! Bounds of connections, TLS and the files they need.

use core::time::Duration;

/// How long a name may take to be resolved. glibc asks three name servers twice and waits for each for 5 s; it may be the last one
/// that answers.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(32);
/// Bytes of `/etc/resolv.conf`, when it is read for an option that explains a failure, and of `/etc/hosts`, when it is not left to the C
/// library. Usual ones have a few hundred.
pub const RESOLVER_FILE: u64 = 64 * 1024;
/// How long the addresses of one family wait for those of the other: the Resolution Delay of RFC 8305.
pub const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// How long a connection to one address may take: the first SYN and its repetitions after 1, 3 and 7 s. Less where more than three
/// share [`CONNECT_TIMEOUT`].
pub const CONNECT_ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections to all addresses of a name may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a proxy may take to answer `CONNECT`: it resolves the name and connects.
pub const PROXY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a proxy's answer to `CONNECT`, at most.
pub const PROXY_HEAD: usize = 8 * 1024;
/// How long a TLS handshake may take: four round trips with about 6 KiB, on links that carry 1 KiB a second.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Addresses of one name that are considered, the rest is ignored. AWS endpoints answer with up to 8 per family.
pub const MAX_ADDRESSES: usize = 16;
/// Idle time of a connection before the kernel probes the peer. NAT entries expire after some minutes.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);
/// Time between two probes of the kernel.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Bytes that the kernel may hold unsent for a connection to the service (`SO_SNDBUF`; the kernel doubles it for its
/// own accounting). Small enough that a slow link shows progress between two time-outs.
pub const SERVICE_SEND_BUFFER: u32 = 128 * 1024;
/// Bytes that the kernel may hold unsent for the connection to the broker (`SO_SNDBUF`, doubled as above): a long status message.
pub const BROKER_SEND_BUFFER: u32 = 128 * 1024;
/// Bytes that the kernel may hold unread for the connection to the broker (`SO_RCVBUF`; the kernel doubles it for its own
/// accounting, and `net.core.rmem_max` limits it): publishes of 1 KiB that gather at 1,000 a second, and as many again.
pub const BROKER_RECEIVE_BUFFER: u32 = 256 * 1024;
/// Bytes that a TLS connection may hold unsent, in either direction of the API.
pub const TLS_BUFFER: usize = 32 * 1024;
/// Server names whose TLS sessions are remembered for a short handshake.
pub const TLS_SESSIONS: usize = 4;
/// Certificates of a chain that may begin later than the clock says. webpki takes 6 between the server's and the CA's.
pub const TLS_CHAIN: usize = 8;
/// Characters of an untrusted CA's name that are shown.
pub const ISSUER_TEXT: usize = 120;
/// Bytes of a PEM file. The whole Mozilla bundle of a distribution is about 225 KiB.
pub const MAX_PEM_FILE: u64 = 512 * 1024;
/// Bytes of a section of a PEM file. A certificate with a long list of names has some KiB.
pub const PEM_SECTION: usize = 64 * 1024;
/// Bytes of the name of a section of a PEM file; the longest names in use have about 25.
pub const PEM_LABEL: usize = 40;
/// Names of sections in the message about a file that lacks the needed one.
pub const PEM_LABELS: usize = 4;
/// Bits of an RSA key whose signatures are checked (ring, `RSA_PKCS1_2048_8192_SHA256` and the like).
pub const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=8192;
