//! Bounds of Greengrass IPC. Those named "lite" are of the nucleus lite 2.6.0, as its sources have them.

use core::time::Duration;

/// Lite: bytes of a frame, either way; it closes the connection at a longer one (`ggipcd`, `ipc_server.h`).
pub const LITE_FRAME_BYTES: usize = 10_000;
/// Lite: bytes of an MQTT packet to AWS IoT Core (`iotcored`, `mqtt.c`).
pub const LITE_PACKET_BYTES: usize = 5_000;
/// Lite: bytes of a topic (`ggpubsubd`, `iotcored`). A longer one is refused in the configuration.
pub const TOPIC_BYTES: usize = 256;
/// Bytes of a status message: in base64, with what stands around it, no more than [`LITE_FRAME_BYTES`]. Which nucleus it is
/// nobody says, and several small messages suit the classic one as well.
pub const STATUS_BYTES: usize = 7_000;
/// Bytes of a status message that goes to AWS IoT Core, too: less than [`LITE_PACKET_BYTES`] with its topic.
pub const CLOUD_STATUS_BYTES: usize = 4_900;
/// Bytes of the headers of a frame, at most. Those of both nuclei take about 200.
pub const HEADERS_BYTES: usize = 4 * 1024;
/// Bytes that wait until the nucleus reads them: from so many on, pings are not answered, and counters not published.
pub const OUT_BYTES: usize = 32 * 1024;
/// Bytes kept of the payload of a frame above the limit: where the id of its message may stand.
pub const BEGIN_BYTES: usize = 16 * 1024;
/// Topics subscribed to. Lite has 100 subscriptions for all components.
pub const TOPICS: usize = 16;
/// Bytes of the path of a socket (`sockaddr_un`, unix(7)).
pub const SOCKET_BYTES: usize = 107;
/// Bytes of the token, `SVCUID`. Both nuclei's have 16.
pub const TOKEN_BYTES: usize = 256;
/// Status messages under way at a time, while the nucleus takes them: more than a full batch has, so that their answers can be read
/// together. As many may come twice when a connection breaks.
pub const STATUSES: usize = 32;
/// Status messages that wait until they can be written, besides: about as many as [`OUT_BYTES`] take.
pub const STATUSES_WAITING: usize = 4;
/// Status messages that wait for AWS IoT Core, which has no network just now: the oldest is given up for a new one.
pub const CLOUD_STATUSES: usize = 8;
/// How long local statuses wait for AWS IoT Core, which takes more time for each, before they go on without it.
pub const CLOUD_BEHIND: Duration = Duration::from_secs(10);
/// Messages that are remembered of a subscription while it is made again, because they may come by both requests.
pub const OVERLAPPING: usize = 32;
/// How long after the answer they may come by the new one: the nucleus sends both, one right after the other.
pub const OVERLAP: Duration = Duration::from_millis(250);
/// How long the nucleus may take for an answer. One that does not answer at all is taken for hung.
pub const ANSWER: Duration = Duration::from_secs(30);
/// A local subscription without a message for this long is made again: lite loses subscriptions silently, when its own
/// daemon restarts or at a message that is too much for it, and what is published until then is missed. Both were seen.
pub const QUIET: Duration = Duration::from_secs(15);
/// A local subscription without a message for this long is made again if messages came one soon after the other before ([`FLOW`]).
pub const LULL: Duration = Duration::from_secs(2);
/// Time between two messages, at most, that counts as one soon after the other.
pub const FLOW: Duration = Duration::from_millis(250);
/// A subscription in AWS IoT Core without a message for this long is made again, which costs a packet of the uplink.
pub const CLOUD_QUIET: Duration = Duration::from_secs(15 * 60);
/// How much of what the kernel holds for a socket (`SO_SNDBUF`, by default `wmem_default`) may be messages that gather, in percent. When it
/// is full, the nucleus waits.
pub const GATHER_PERCENT: usize = 70;
/// Shortest time that messages gather, in a flood, the least that the timer can say: to wake up for each would cost more than to take it.
pub const GATHER_LEAST: Duration = Duration::from_millis(1);
/// How long answers to statuses gather where no messages do, or no more statuses can be taken: each would be a wake-up. In the latter case
/// each rest after which there is still no answer is followed by one of twice the time, up to [`GATHER`](super::GATHER), while messages
/// gather as well.
pub const GATHER_ANSWERS: Duration = Duration::from_millis(8);
/// First and longest delay until what failed is asked for again, if waiting may cure it.
pub const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// First and longest delay until what failed is asked for again, if it takes a change of the component's `accessControl`, which may
/// come without a restart.
pub const REFUSED_AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// How often it may be said of what was granted before that it is not authorized, until that counts. Lite says so of everything
/// while its daemon for the configuration restarts. Seen. With [`AGAIN`] that is a minute.
pub const DOUBTS: u32 = 6;
/// First and longest delay between two attempts to connect: to this machine, so they cost next to nothing.
pub const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
/// Attempts in a row at which the nucleus does not take the token, until the process ends so that its start brings a new one.
/// Lite refuses by closing, as it does when it stops; and three ends in an hour make a component `BROKEN`.
pub const TOKEN_REFUSED: u32 = 5;
/// How long messages may wait for the disk of the spool to make room. Nucleus lite waits with everybody's messages meanwhile.
pub const DISK_WAIT: Duration = Duration::from_secs(1);
/// After SIGTERM: how long held records may still be sent, and how long their statuses may take. The classic nucleus kills
/// after 5 s (`Exec.java`, `gracefulShutdownTimeout`).
pub const DRAIN: (Duration, Duration) = (Duration::from_millis(3500), Duration::from_millis(1000));
