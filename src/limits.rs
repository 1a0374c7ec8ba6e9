//! Every bound, with its unit, its source, and what happens when it is reached.
//!
//! A bound named "service" is a limit of Amazon Data Firehose that cannot be raised; the rest are
//! ours. How the bounds add up to `MemorySize` is worked out in [`crate::memory`].

use crate::time::Duration;

// ---- the service (API reference of PutRecord and PutRecordBatch) ----

/// Service: bytes of data in one record, before base64. A larger one fails with `RecordTooLarge`.
pub const RECORD_BYTES: usize = 1_024_000;
/// Service: records in one `PutRecordBatch`. The rest wait for the next batch.
pub const BATCH_RECORDS: usize = 500;
/// Service: bytes of one request body. The API does not say whether base64 counts; encoded bytes
/// are counted here, which is right under either reading.
pub const BATCH_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Service: characters of a delivery stream name.
pub const NAME_BYTES: usize = 64;

// ---- delivery streams and records ----

/// Bytes of a delivery stream ARN: its parts at their longest. A longer one is not a valid ARN.
pub const ARN_BYTES: usize = 160;
/// Delivery streams known at one time: the default one and those named by messages that have records
/// held. A record for one more fails with `TooManyDeliveryStreams`.
pub const STREAMS: usize = 32;
/// Bytes of an id as JSON text. A longer one fails with `InvalidMessage`, because its status would
/// not fit a status message. 64 KiB is also the longest MQTT topic.
pub const ID_JSON_BYTES: usize = 64 * 1024;
/// Levels of arrays and objects in a JSON message; deeper ones fail with `InvalidMessage`.
pub const NESTING: usize = 128;

// ---- arena ----

/// Bytes of an arena block. Small, so that a record of 100 bytes does not hold a kilobyte.
pub const BLOCK_BYTES: usize = 256;
/// Segments the arena is mapped in; a segment without records goes back to the kernel.
pub const SEGMENTS: usize = 64;
/// Smallest segment, bytes: below that the mapping costs more than it saves.
pub const SEGMENT_BYTES: usize = 64 * 1024;
/// Smallest useful arena, bytes.
pub const ARENA_BYTES: usize = STATUS_QUEUE_BYTES_MIN + 256 * 1024;

// ---- sending ----

/// Requests in flight, each on a connection of its own.
pub const CONNECTIONS: usize = 4;
/// Requests in flight for one delivery stream without batching (version 1, interval 0): with one,
/// a round trip of 100 ms would mean 10 records a second.
pub const SINGLE_IN_FLIGHT: usize = 4;
/// Encoded bytes of a batch after a failure, at most: a backlog meets a link of which nothing is known, and on one of 64 kbit/s
/// they take half of the life of a signature. They double with each request that is quick, up to what the service takes, and
/// halve with one that outlives its signature.
pub const BATCH_BYTES_FIRST: usize = 1024 * 1024;
/// And to no less than this. A larger record goes alone.
pub const BATCH_BYTES_LEAST: usize = 64 * 1024;
/// Bytes of a `PutRecordBatch` body that are not records: the name of the delivery stream and what stands around it.
pub const ENVELOPE_BYTES: usize = 40 + NAME_BYTES;
/// Bytes of a request body encoded at a time, at most and where memory is scarce. Each chunk is a write to the socket.
pub const CHUNK_BYTES: usize = 32 * 1024;
/// See [`CHUNK_BYTES`].
pub const CHUNK_BYTES_MIN: usize = 16 * 1024;
/// Bytes of a reply. 500 entries with record ids of 224 characters are 120 KB; a longer reply is
/// taken as unreadable: its batch is sent again with half as many records.
pub const REPLY_BYTES: usize = 160 * 1024;
/// Bytes of a service's error code in a status, as JSON. The longest that is known has 40.
pub const ERROR_CODE_BYTES: usize = 64;
/// Bytes of a service's error message that are kept for the status; where room for statuses is short, fewer.
pub const ERROR_MESSAGE_BYTES: usize = 1024;
/// First delay after a failed request; each further failure doubles it.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Longest delay after a request of which less than half was put off, or which failed while others go through.
pub const BACKOFF_PUT_OFF: Duration = Duration::from_millis(100);
/// Longest delay between two attempts of a delivery stream.
pub const BACKOFF_CAP: Duration = Duration::from_secs(300);
/// Requests in a row that come to nothing, by an answer that may be the fault of one record, until the next has half as many
/// records: a single failure is the service's more often than a record's.
pub const FAILURES_APART: u32 = 3;
/// Requests in a row that may fail with records that are suspect, until the stream counts as failing: halving a batch takes 9
/// to find one record.
pub const SEARCHES: u32 = 10;
/// Records of a delivery stream that are set aside because they failed alone, without another request having succeeded
/// since they failed first. In an outage all would, and then be sent one by one.
pub const ASIDE_UNPROVEN: usize = 16;
/// Times that a record which was set aside is tried with pauses of at most [`BACKOFF_BASE`], until it takes turns with the
/// others: a service that fails at random sets aside good ones, too.
pub const ASIDE_TRIES: u32 = 5;
/// How long batches do not grow after one was too large for something on the way. A proxy's limit stays, and each attempt to
/// exceed it costs the link a batch.
pub const TOO_LARGE_KEPT: Duration = Duration::from_secs(3600);
/// Longest delay between two attempts while the device has no network. An attempt costs nobody else anything, but signs a
/// batch.
pub const BACKOFF_OFFLINE: Duration = Duration::from_secs(5);
/// Longest delay between two attempts while stopping: [`DRAIN`] has time for about thirty of them.
pub const BACKOFF_DRAINING: Duration = Duration::from_millis(500);
/// Shortest delay, so that jitter never makes a busy loop.
pub const BACKOFF_FLOOR: Duration = Duration::from_millis(50);
/// Times that the host name of a delivery stream's endpoint must have turned out not to exist, with an answer of the service
/// from another endpoint before each, until its records fail with `EndpointNotFound`. So many, because a name server at the
/// other end of a link that comes and goes may deny a name that exists.
pub const ENDPOINT_MISSING_TIMES: u32 = 12;
/// And for how long. Never for the default delivery stream, nor with an endpoint of the configuration.
pub const ENDPOINT_MISSING: Duration = Duration::from_secs(30 * 60);
/// A request that moved no byte for this long has failed.
pub const STALL: Duration = Duration::from_secs(60);
/// From the last byte written of a request to the last of its answer, at most, whatever comes meanwhile: on 20 kbit/s what the
/// kernel held of the request takes 50 s and the longest answer as long. A peer that sends `100 Continue` for ever, or a byte
/// a minute, holds the records no longer.
pub const ANSWER: Duration = Duration::from_secs(120);
/// Service: how long a signature is good for. A request that takes longer comes to nothing, so the next has half as many
/// records; they become more again while requests take less than a third of this.
pub const SIGNATURE_LIFE: Duration = Duration::from_secs(300);
/// A connection to the service unused for this long is closed; the service closes its side later.
pub const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// Bytes that hyper may hold of a request's head and of an answer not yet read, each.
pub const HTTP_BUFFER_BYTES: usize = 32 * 1024;
/// A clock that differs less from the service's is right: a signature is good for [`SIGNATURE_LIFE`] either way.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// A clock before this is wrong: the day of this release, 2026-11-01 as long as there is none, since 1970. A constant, so that
/// the same sources make the same program; `tests/readme.rs` keeps it equal to the newest release in `CHANGELOG.md`.
pub const RELEASED: Duration = Duration::from_secs(1_793_491_200);
/// A peer's date is believed from here on: a day before [`RELEASED`], which is a day and no hour.
pub const DATE_EARLIEST: Duration = RELEASED.saturating_sub(Duration::from_secs(24 * 3600));
/// And up to here: 40 years later. The last of the built-in CAs ends in 2040.
pub const DATE_LATEST: Duration = RELEASED.saturating_add(Duration::from_secs(40 * 365 * 24 * 3600));
/// No time of day that is computed with is later: the last second of the year 9999, since 1970. Dates have four digits for the year.
pub const TIME_LATEST: Duration = Duration::from_secs(253_402_300_799);

/// A certificate that ends within this is worth a warning: time enough to send somebody who has to bring the new one.
pub const CERTIFICATE_ENDS: Duration = Duration::from_secs(30 * 24 * 3600);

// ---- status ----

/// Bytes of one status message: the payload limit of AWS IoT Core. More entries go in a second message.
pub const STATUS_BYTES: usize = 128 * 1024;
/// The same where memory is scarce: the longest status that there can be.
pub const STATUS_BYTES_MIN: usize = 72 * 1024;
/// Status messages of full size sent and not yet acknowledged by the broker; of smaller ones, as many as have
/// their bytes together.
pub const STATUS_IN_FLIGHT_FULL: usize = 2;
/// Status messages sent and not yet acknowledged by the broker.
pub const STATUS_IN_FLIGHT: usize = 32;
/// How long records wait for a broker that acknowledges no status, or that was lost: then they go on, and statuses without room
/// are lost. A full message takes as long on a link of 128 kbit/s.
pub const STATUS_ACKNOWLEDGED: Duration = Duration::from_secs(10);
/// After this long without an acknowledgement statuses go out again over a new connection, as MQTT 5 allows only there (section
/// 4.4); doubling up to the second while none comes, because each connection costs, and publishes where the session does not last.
pub const STATUS_REPEATED: (Duration, Duration) = (MQTT_STABLE, Duration::from_secs(600));
/// Share of the arena that statuses may take and records may not: one part in this many.
pub const STATUS_SHARE: usize = 8;
/// Most that statuses may take of the arena, bytes: about 13,000 of them.
pub const STATUS_QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// Least, bytes: the statuses of two batches.
pub const STATUS_QUEUE_BYTES_MIN: usize = 2 * BATCH_RECORDS * STATUS_ENTRY_BYTES;
/// Bytes of an ordinary status without its id: a record id of 224 characters and what stands around it.
/// While the broker is there to take statuses, a batch is sent only when its statuses have room.
pub const STATUS_ENTRY_BYTES: usize = 320;

// ---- MQTT ----

/// Publishes handed to the relay at a time, acknowledged together.
pub const PUBLISHES: usize = 64;
/// Bytes of publishes after which no more are added to those handed to the relay.
pub const PUBLISHES_BYTES: usize = 32 * 1024;
/// Publishes in a group from which on the broker counts as in full flow.
pub const PUBLISHES_BUSY: usize = 4;
/// How long publishes may then come together before they are read.
pub const PUBLISHES_GATHER: Duration = Duration::from_millis(1);
/// QoS 1 publishes that the broker may have sent without our acknowledgement (`Receive Maximum`).
pub const RECEIVE_MAXIMUM: u16 = 500;
/// Publishes of a connection that are not acknowledged, at most: some brokers send more than [`RECEIVE_MAXIMUM`] (mosquitto
/// before 2.0.13: all that it keeps, 1,500 unless it is told otherwise). Then the oldest are acknowledged.
pub const UNACKNOWLEDGED: usize = 2048;
/// Publishes that are remembered, acknowledged or not, so that one that comes again is recognised.
pub const SLOTS: usize = 2 * UNACKNOWLEDGED;
const _: () = assert!(UNACKNOWLEDGED >= 2 * RECEIVE_MAXIMUM as usize && UNACKNOWLEDGED + PUBLISHES <= SLOTS);
/// How long after a reconnect publishes that were not acknowledged may still come again: AWS IoT Core tries for an hour.
pub const REDELIVERY: Duration = Duration::from_secs(3600);
/// What comes within this time after an acknowledgement was waiting for it: longer than the round trip to most brokers.
pub const AT_ONCE: Duration = Duration::from_millis(250);
/// Without a publish for this long, and some not acknowledged, the broker may be waiting for an acknowledgement: no shorter
/// than the default of `PublishInterval`, after which there is one anyway.
pub const PAUSE: Duration = Duration::from_secs(10);
/// The same, after pauses in which it was not waiting, at most.
pub const PAUSE_LONGEST: Duration = Duration::from_secs(600);
/// What went at the end of a pause has this long to be delivered, before publishes are acknowledged although their records are
/// only held.
pub const PAUSE_ANSWER: Duration = Duration::from_secs(5);
/// The same with a window that is nearly full: a broker that may not send drops what its queue does not hold (mosquitto: above
/// 1,000 messages unless told otherwise).
pub const WINDOW_STUCK: Duration = Duration::from_secs(1);
/// Smallest packet limit announced to the broker, bytes.
pub const PACKET_BYTES_MIN: usize = 16 * 1024;
/// Largest packet limit: a record of the largest size with every byte written as `\u00XX`, and an id.
pub const PACKET_BYTES_MAX: usize = 6 * RECORD_BYTES + 2 * ID_JSON_BYTES;
/// Bytes kept of a publish above the packet limit, though never more than that limit: room for the longest topic, and for
/// the begin of a JSON message, where its id may stand.
pub const PUBLISH_BEGIN_BYTES: usize = ID_JSON_BYTES + PACKET_BYTES_MIN;
/// How long the broker keeps the session, and with it QoS 1 publishes, while the connector is away.
pub const SESSION_EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// MQTT keep-alive, and the longest that is kept to when the broker sets another (`Server Keep Alive`): a broker of which
/// nothing is heard for one and a half of it is gone.
pub const MQTT_KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Three of these are the least that a ping's answer may take, however short the keep-alive: a link with 1.5 s from end to
/// end and back loses a packet now and then.
pub const MQTT_STEP_MIN: Duration = Duration::from_secs(1);
/// Bytes a second by which an unfinished packet has to grow to count as a sign of life, over a quarter of the keep-alive. A
/// tenth of what the slowest modem carries.
pub const MQTT_BYTES_PER_SECOND: u32 = 64;
/// How long the broker may take to answer the login, and then the subscription.
pub const MQTT_CONNECT: Duration = Duration::from_secs(30);
/// The same for the subscription at the most, when publishes of the session before come ahead of the answer on a slow link.
pub const MQTT_SUBSCRIBE_MAX: Duration = Duration::from_secs(600);
/// A session that stayed established for this long ends a series of failures.
pub const MQTT_STABLE: Duration = Duration::from_secs(60);
/// Sessions in a row that end sooner, without a reason, for which another client of the same id is suspected.
pub const MQTT_CLOSED_EARLY: u32 = 3;
/// Bytes of a packet that is not a publish.
pub const CONTROL_PACKET_BYTES: usize = 16 * 1024;
/// First and longest delay between two attempts to reach the broker.
pub const MQTT_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Longest when the broker is this machine or one of the local network: an attempt costs next to nothing there, and the
/// broker's queue for us is short (1000 publishes, if nobody told mosquitto otherwise).
pub const MQTT_BACKOFF_NEAR: Duration = Duration::from_secs(3);
/// Longest while the device has no network: then an attempt costs next to nothing, and the network is noticed at once.
pub const MQTT_OFFLINE: Duration = Duration::from_secs(1);
/// The same as [`MQTT_BACKOFF`] when the broker said that it does not want us: only a person can mend that.
pub const MQTT_REFUSED_BACKOFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

// ---- life ----

/// Open files, when the process is confined: standard input and output, two for the poller, three for signals, one for the
/// service manager, a connection to the broker and one for each request, four lookups with a socket for each of three name
/// servers, an exchange for credentials; and as many again.
pub const OPEN_FILES: u64 = 64;

/// Links on the way to one file that are followed, as many as the kernel does (path_resolution(7)).
pub const LINKS: usize = 40;

/// Seconds between two publishes of the counters, at least and at most: a message for each second or each day.
pub const COUNTERS_INTERVAL: core::ops::RangeInclusive<u64> = 1..=24 * 3600;

/// Bytes of a text from outside that are shown in a message, before control characters are escaped.
pub const FOREIGN_TEXT: usize = 300;
/// Bytes of a whole message, in the log or on a terminal.
pub const LINE_TEXT: usize = 3500;
/// Bytes of a line of the log with what stands around its message (`PIPE_BUF` of Linux): a pipe takes so many whole or not at all.
pub const LINE_BYTES: usize = 4096;
/// Bytes of a secret from which on it is kept out of messages. A shorter one would blank ordinary words.
pub const SECRET_LEAST: usize = 6;

/// Lines of one kind that the log takes at once.
pub const LOG_BURST: u32 = 10;
/// After a burst, one line of its kind in this time.
pub const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// While lines could not be written: between two attempts to say so.
pub const LOG_RETRY: Duration = Duration::from_secs(1);

/// Part of the watchdog's time (`WATCHDOG_USEC`) after which the loop gives a sign of life: one in this many, as
/// `sd_watchdog_enabled(3)` advises.
pub const WATCHDOG_SHARE: u32 = 2;
/// Shortest time between two of these signs, so that a watchdog's time of nothing makes no busy loop.
pub const WATCHDOG_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// After SIGTERM: how long held records may still be sent.
pub const DRAIN: Duration = Duration::from_millis(7500);
/// After that: how long the last statuses may take to reach the broker. With [`DRAIN`] and half a second for the rest
/// this is the stated time of 10 seconds.
pub const DRAIN_STATUSES: Duration = Duration::from_secs(2);

const _: () =
    assert!(STATUS_BYTES_MIN >= ID_JSON_BYTES + ERROR_MESSAGE_BYTES * 6 + 1024, "every status fits a message");
const _: () = assert!(ARN_BYTES >= "arn:::::deliverystream/".len() + 16 + "firehose".len() + 32 + 12 + NAME_BYTES);

/// Bounds of connections, TLS and the files they need.
pub mod net {
    use core::time::Duration;

    /// Name resolution. glibc gives up after 5 s and 2 attempts per name server; two of them are tried.
    pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(20);
    /// How long the addresses of one family wait for those of the other: the Resolution Delay of RFC 8305.
    pub const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
    /// One address: the first SYN and its repetitions after 1, 3 and 7 s.
    pub const CONNECT_ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
    /// All addresses of a name together.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
    /// From asking a proxy for a connection to its answer: it looks the name up and connects.
    pub const PROXY_TIMEOUT: Duration = Duration::from_secs(30);
    /// Bytes of a proxy's answer.
    pub const PROXY_HEAD: usize = 8 * 1024;
    /// TLS handshake: four round trips with about 6 KiB, on links that carry 1 KiB a second.
    pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
    /// Addresses of one name that are considered, the rest is ignored. AWS endpoints answer with up to 8 per family.
    pub const MAX_ADDRESSES: usize = 16;
    /// Silence on a connection before the kernel probes the peer. NAT tables forget after some minutes.
    pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);
    /// Between two probes.
    pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
    /// Bytes that the kernel may hold unsent for a connection to the service (`SO_SNDBUF`; the kernel doubles it for its
    /// own accounting). Small enough that a slow link shows progress between two time-outs.
    pub const SERVICE_SEND_BUFFER: u32 = 128 * 1024;
    /// The same for the broker: a long status message.
    pub const BROKER_SEND_BUFFER: u32 = 128 * 1024;
    /// Bytes that a TLS connection may hold unsent, in either direction of the API.
    pub const TLS_BUFFER: usize = 32 * 1024;
    /// Server names whose TLS sessions are remembered for a short handshake.
    pub const TLS_SESSIONS: usize = 4;
    /// Certificates of a chain that may begin later than the clock says. webpki takes 6 between the server's and the CA's.
    pub const TLS_CHAIN: usize = 8;
    /// Characters that are shown of whom a server names as its CA, when nobody vouches for it.
    pub const ISSUER_TEXT: usize = 120;
    /// Bytes of a PEM file. The whole Mozilla bundle of a distribution is about 225 KiB.
    pub const MAX_PEM_FILE: u64 = 512 * 1024;
    /// Bytes of a section of a PEM file. A certificate with a long list of names has some KiB.
    pub const PEM_SECTION: usize = 64 * 1024;
    /// Bytes of the name of such a section; the longest that there are have about 25.
    pub const PEM_LABEL: usize = 40;
    /// Such names in a message that says what stands in a file instead of what is needed.
    pub const PEM_LABELS: usize = 4;
    /// Bits of an RSA key whose signatures are checked (ring, `RSA_PKCS1_2048_8192_SHA256` and the like).
    pub const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=8192;
}

/// Bounds of Greengrass IPC. Those named "lite" are of the nucleus lite 2.6.0, as its sources have them.
pub mod greengrass {
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
    /// The same if it goes to AWS IoT Core, too.
    pub const CLOUD_STATUS_BYTES: usize = 4_900;
    /// Bytes of the headers of a frame. Those of both nuclei take about 200.
    pub const HEADERS_BYTES: usize = 4 * 1024;
    /// Bytes kept of the payload of a frame above the limit: where the id of its message may stand.
    pub const BEGIN_BYTES: usize = 16 * 1024;
    /// Topics subscribed to. Lite has 100 subscriptions for all components.
    pub const TOPICS: usize = 16;
    /// Bytes of the token, `SVCUID`. Both nuclei's have 16.
    pub const TOKEN_BYTES: usize = 256;
    /// Status messages that wait for AWS IoT Core, which has no network just now: the oldest is given up for a new one.
    pub const CLOUD_STATUSES: usize = 8;
    /// How long the nucleus may take for an answer. One that does not answer at all is taken for hung.
    pub const ANSWER: Duration = Duration::from_secs(30);
    /// A local subscription without a message for this long is made anew: lite loses subscriptions without a word, when its own
    /// daemon restarts or at a message that is too much for it, and what is published until then is missed. Both were seen.
    pub const QUIET: Duration = Duration::from_secs(15);
    /// The same for a subscription in AWS IoT Core, which costs a packet of the uplink.
    pub const CLOUD_QUIET: Duration = Duration::from_secs(15 * 60);
    /// First and longest delay until what failed is asked for again, if waiting may cure it.
    pub const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
    /// The same if it takes a change of the component's `accessControl`, which may come without a restart.
    pub const REFUSED_AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
    /// First and longest delay between two attempts to connect: to this machine, so they cost next to nothing.
    pub const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
    /// Attempts in a row at which the nucleus does not take the token, until the process ends so that its start brings a new one.
    /// Lite refuses by closing, as it does when it stops; and three ends in an hour make a component `BROKEN`.
    pub const TOKEN_REFUSED: u32 = 5;
    /// After SIGTERM: how long held records may still be sent, and how long their statuses may take. The classic nucleus kills
    /// after 5 s (`Exec.java`, `gracefulShutdownTimeout`).
    pub const DRAIN: (Duration, Duration) = (Duration::from_millis(3500), Duration::from_millis(1000));
}

/// Bounds of `check --online`.
pub mod doctor {
    use core::time::Duration;

    /// A step at most, whatever it waits for. A TLS handshake takes 13 s on a link of 64 kbit/s with 1.5 s each way.
    pub const STEP: Duration = Duration::from_secs(20);
    /// All steps together; those that come later have what is left.
    pub const ALL: Duration = Duration::from_secs(110);
    /// Shorter durations are not shown.
    pub const NOTICEABLE: Duration = Duration::from_secs(1);
}

/// Bounds of finding credentials and of keeping them fresh.
pub mod credentials {
    use core::time::Duration;

    /// Bytes of a reply of a credentials endpoint. Session tokens are about 1 KiB; AWS promises no maximum.
    pub const MAX_REPLY: usize = 16 * 1024;
    /// Bytes that the HTTP client may hold of a reply, head included.
    pub const HTTP_BUFFER: usize = 16 * 1024;
    /// A whole exchange with a credentials endpoint. Greengrass asks the cloud before it answers.
    pub const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
    /// The whole conversation with the metadata service of an EC2 instance. On an instance it answers within
    /// milliseconds; the SDKs wait 1 s for each of three attempts.
    pub const EC2_TIMEOUT: Duration = Duration::from_secs(5);
    /// How long the token of that conversation is good for, seconds.
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
    /// Between two scheduled renewals at least.
    pub const RENEW_INTERVAL: Duration = Duration::from_secs(10);
    /// Until the next try when the endpoint hands out credentials that are expired by our clock.
    pub const ENDED_INTERVAL: Duration = Duration::from_secs(60);
    /// Between two renewals because the service refused what we have, at least.
    pub const ON_DEMAND_INTERVAL: Duration = Duration::from_secs(10);
    /// Waiting after the first failure; doubled with each further one.
    pub const BACKOFF_BASE: Duration = Duration::from_secs(1);
    /// Waiting after many failures.
    pub const BACKOFF_CAP: Duration = Duration::from_secs(5 * 60);
}

/// What parts of the process take that no bound above says. Measured, with some room, by
/// `tests/e2e/test_memory.py`.
pub mod memory {
    use super::credentials;

    /// musl keeps freed memory less freely than glibc, and its resolver needs less stack.
    const MUSL: bool = cfg!(target_env = "musl");

    /// Heap of runtime, tables, configuration, trust anchors and allocator overhead, bytes.
    pub const HEAP: usize = if MUSL { 448 } else { 640 } * 1024;
    /// Getting credentials, bytes: a shared file as a whole, which is more than a connection of its own with what it
    /// holds and an answer.
    pub const CREDENTIALS: usize = 176 * 1024;
    const _: () = assert!(CREDENTIALS as u64 > credentials::MAX_PROFILE_FILE);
    const _: () = assert!(CREDENTIALS >= TLS + 2 * credentials::HTTP_BUFFER + credentials::MAX_REPLY);
    /// Stack of the main thread, bytes.
    pub const STACK: usize = 160 * 1024;
    /// Questions about a name, count: musl's resolver is asked for each family of addresses by itself.
    pub const QUESTIONS: usize = if MUSL { 2 } else { 1 };
    /// Threads that resolve names, count: for the broker's name and for the service's, one for each question.
    pub const THREADS: usize = 2 * QUESTIONS;
    /// Stack of such a thread, bytes; the resolver takes the most of it, 16 KiB with musl.
    pub const THREAD_STACK: usize = if MUSL { 32 } else { 192 } * 1024;
    /// Stack of such a thread and its share of the allocator, which glibc has for each thread, bytes.
    pub const THREAD: usize = THREAD_STACK + if MUSL { 0 } else { 136 * 1024 };
    /// One TLS connection: its state, a record each way, the certificates of the handshake, bytes.
    pub const TLS: usize = 112 * 1024;
    /// The parsed entries of an answer, bytes.
    pub const ENTRIES: usize = 64 * 1024;
    /// What the kernel may hold for the process beyond its resident memory, bytes: unsent data of each connection
    /// (2 x 128 KiB), its answers, up to 6 MiB received from the broker (`tcp_rmem`) while publishes are not read,
    /// page tables, the program's file cache. An init that limits the memory of the service has to add it to `MemorySize`.
    pub const KERNEL: usize = 16 * 1024 * 1024;
    /// Memory that calls for one more connection to the service, bytes.
    pub const PER_CONNECTION: usize = 5 * 1024 * 1024;
    /// Share of the memory that a packet may have: one part in this many.
    pub const PACKET_SHARE: usize = 16;
    /// Share of the memory that a chunk of a request body may have: one part in this many.
    pub const CHUNK_SHARE: usize = 256;
    /// Share of the memory that a status message may have: one part in this many.
    pub const STATUS_SHARE: usize = 64;
}
