//! Every bound, with its unit, its source, and what happens when it is reached.
//!
//! A bound named "service" is a limit of Amazon Data Firehose that cannot be raised; the rest are
//! ours. Those of one room only have a module of their own. How the bounds add up to `MemorySize` is worked out in
//! [`crate::memory`].

pub mod credentials;
pub mod doctor;
pub mod greengrass;
pub mod memory;
pub mod net;
pub mod spool;

use crate::time::Duration;

// ---- the service (API reference of PutRecord and PutRecordBatch) ----

/// Service: bytes of data in one record, before base64. A larger one fails with `RecordTooLarge`.
pub const RECORD_BYTES: usize = 1_024_000;
/// Service: records in one `PutRecordBatch`. The rest wait for the next batch.
pub const BATCH_RECORDS: usize = 500;
/// Service: bytes of one request body. The API does not say whether base64 counts; encoded bytes
/// are counted here, which is right under either reading.
pub const BATCH_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Service: bytes of a record are billed in multiples of this, rounded up for each record.
pub const BILLED_BYTES: usize = 5 * 1024;
/// Service: records that it takes out of one, where it splits them ("Record deaggregation").
pub const PACK_RECORDS: usize = 500;
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
/// Most encoded bytes of a batch after a failure, when the speed of the link is unknown: at 64 kbit/s they take half of
/// [`SIGNATURE_LIFE`]. The limit doubles with each quick request, up to the service's, and halves with one that
/// outlives its signature.
pub const BATCH_BYTES_FIRST: usize = 1024 * 1024;
/// Encoded bytes of a batch below which its limit ([`BATCH_BYTES_FIRST`]) is not halved. A larger record is sent alone.
pub const BATCH_BYTES_LEAST: usize = 64 * 1024;
/// Records in a batch when they are packed. As many as the smallest room for statuses can answer
/// ([`STATUS_QUEUE_BYTES_MIN`]), and as [`SEARCHES`] halvings reduce to one. They come back together if the request
/// fails, and more would save nothing: what is billed is packs.
pub const BATCH_PACKED: usize = 2 * BATCH_RECORDS;
const _: () = assert!(BATCH_PACKED >> SEARCHES == 0 && PACK_RECORDS <= BATCH_PACKED);
/// Bytes of a delimiter between packed records, at most.
pub const DELIMITER_BYTES: usize = 8;
/// Bytes of a `PutRecordBatch` body that are not records: the name of the delivery stream and the JSON around it.
pub const ENVELOPE_BYTES: usize = 40 + NAME_BYTES;
/// Most bytes of a request body that are encoded at a time. Each chunk is a write to the socket.
pub const CHUNK_BYTES: usize = 32 * 1024;
/// Most bytes of a request body that are encoded at a time with the smallest `MemorySize`, instead of [`CHUNK_BYTES`].
pub const CHUNK_BYTES_MIN: usize = 16 * 1024;
/// Bytes of a reply. 500 entries with record ids of 224 characters are 120 KB; a longer reply is
/// taken as unreadable: its batch is sent again with half as many records.
pub const REPLY_BYTES: usize = 160 * 1024;
/// Bytes of the service's error code in a status, as JSON. The longest known one has 40.
pub const ERROR_CODE_BYTES: usize = 64;
/// Bytes of the service's error message that are kept for the status; fewer when room for statuses is short.
pub const ERROR_MESSAGE_BYTES: usize = 1024;
/// First delay after a failed request; each further failure doubles it.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Longest delay after a request of which less than half is to be retried, or which failed while others succeed.
pub const BACKOFF_PUT_OFF: Duration = Duration::from_millis(100);
/// Longest delay between two attempts of a delivery stream.
pub const BACKOFF_CAP: Duration = Duration::from_secs(300);
/// Failed requests in a row, each with an answer that one record may have caused, until the next has half as many
/// records. A single failure is more often the service's fault than a record's.
pub const FAILURES_SPLIT: u32 = 3;
/// Failed requests in a row with suspect records until the stream counts as failing. Finding one record by halving a
/// batch takes 9 of them.
pub const SEARCHES: u32 = 10;
/// Most records of a delivery stream that are set aside because they failed alone, while no other request has succeeded
/// since their first failure. In an outage all records would be, and be sent one by one.
pub const ASIDE_UNPROVEN: usize = 16;
/// Times that a record which was set aside is retried after at most [`BACKOFF_BASE`], until it has to wait with the
/// others. A service that fails at random causes good records to be set aside, too.
pub const ASIDE_TRIES: u32 = 5;
/// How long batches do not grow after one was too large for a proxy on the way. Its limit does not change, and each
/// attempt to exceed it wastes the transfer of a batch.
pub const TOO_LARGE_KEPT: Duration = Duration::from_secs(3600);
/// Longest delay between two attempts while the device has no network. An attempt loads nobody else, but signs a batch.
pub const BACKOFF_OFFLINE: Duration = Duration::from_secs(5);
/// Longest delay between two attempts while stopping: [`DRAIN`] has time for about thirty of them.
pub const BACKOFF_DRAINING: Duration = Duration::from_millis(500);
/// While stopping: how long nothing is sent after the service has refused the credentials, unless others come. It
/// seldom changes its mind, and [`DRAIN`] has time for three more attempts.
pub const REFUSED_DRAINING: Duration = Duration::from_secs(2);
/// Shortest delay, so that jitter never makes a busy loop.
pub const BACKOFF_FLOOR: Duration = Duration::from_millis(50);
/// Times that a name server must have denied the host name of a delivery stream's endpoint, with an answer of the
/// service from another endpoint before each, until its records fail with `EndpointNotFound`. Several, because a name
/// server behind an unstable link may deny a name that exists.
pub const ENDPOINT_MISSING_TIMES: u32 = 12;
/// The least time from the first denial of an endpoint's host name until records fail with `EndpointNotFound`. They never do for
/// the default delivery stream, nor with a configured endpoint.
pub const ENDPOINT_MISSING: Duration = Duration::from_secs(30 * 60);
/// A request that moved no byte for this long has failed.
pub const STALL: Duration = Duration::from_secs(60);
/// From the last written byte of a request to the last byte of its answer, at most. At 20 kbit/s the rest of the
/// request in the kernel's buffer takes 50 s, and so does the longest answer. So a peer that sends `100 Continue` for
/// ever, or a byte a minute, cannot hold up the records.
pub const ANSWER: Duration = Duration::from_secs(120);
/// Bytes from the service after the last written byte of a request, until the answer counts as endless: the longest one
/// with its head, in small chunks. A peer that sends `100 Continue` as fast as it can would take all of the processor
/// until [`ANSWER`].
pub const ANSWER_BYTES: u64 = 3 * REPLY_BYTES as u64;
/// Service: how long a signature is valid. A request that takes longer is refused, so the next has half as many
/// records; their number grows again while requests take less than a third of this.
pub const SIGNATURE_LIFE: Duration = Duration::from_secs(300);
/// A connection to the service unused for this long is closed; the service closes its side later.
pub const SERVICE_IDLE: Duration = Duration::from_secs(45);

/// Bytes that hyper may hold of a request's head and of an answer not yet read, each.
pub const HTTP_BUFFER_BYTES: usize = 32 * 1024;
/// A clock that differs less from the service's counts as right: a signature is valid for [`SIGNATURE_LIFE`] either
/// way.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// Time since 1970 before which a clock is wrong: the day of this release, 2026-11-29. A constant, so that
/// builds are reproducible; `tests/readme.rs` keeps it equal to the newest release in `CHANGELOG.md`.
pub const RELEASED: Duration = Duration::from_secs(1_795_910_400);
/// The earliest date of a peer that is accepted: a day before [`RELEASED`], which has no time of day.
pub const DATE_EARLIEST: Duration = RELEASED.saturating_sub(Duration::from_secs(24 * 3600));
/// The latest date of a peer that is accepted: 40 years after [`RELEASED`]. The last of the built-in CAs expires in 2040.
pub const DATE_LATEST: Duration = RELEASED.saturating_add(Duration::from_secs(40 * 365 * 24 * 3600));
/// The latest time that is computed with, since 1970: the last second of the year 9999. Dates have four digits for the
/// year.
pub const TIME_LATEST: Duration = Duration::from_secs(253_402_300_799);

/// A certificate that expires within this is warned of: enough time to bring a new one to the device.
pub const CERTIFICATE_EXPIRES: Duration = Duration::from_secs(30 * 24 * 3600);

// ---- status ----

/// Bytes of one status message: the payload limit of AWS IoT Core. More entries go in a second message.
pub const STATUS_BYTES: usize = 128 * 1024;
/// Bytes of one status message with the smallest `MemorySize`, instead of [`STATUS_BYTES`]: the longest possible status fits.
pub const STATUS_BYTES_MIN: usize = 72 * 1024;
/// Bytes of a status message that are sent even to a broker that closes connections on longer ones: one ordinary status.
pub const STATUS_BYTES_LEAST: usize = 1024;
/// Bytes of a status message up to which it is copied behind its head, to leave with it in one packet of TCP. A longer one is written from
/// where it stands: the copy would take as much memory again.
pub const PAYLOAD_COPIED: usize = 4 * 1024;
/// A broker that takes packets of fewer bytes is warned of: a status with an id of a kilobyte and a long error needs as
/// many.
pub const STATUS_PACKET: u32 = 8 * 1024;
/// Status messages of full size in flight: sent and not yet acknowledged by the broker. Of smaller ones, as many as
/// have the same total of bytes.
pub const STATUS_IN_FLIGHT_FULL: usize = 2;
/// Status messages in flight, of any size.
pub const STATUS_IN_FLIGHT: usize = 32;
/// How long records wait for a broker that acknowledges no status, or is disconnected. After that they are sent, and
/// statuses without room are lost. A full message takes as long on a link of 128 kbit/s.
pub const STATUS_ACKNOWLEDGED: Duration = Duration::from_secs(10);
/// First and longest time without an acknowledgement until statuses are sent again, over a new connection, as MQTT 5
/// allows only there (section 4.4). It doubles, because each new connection is expensive, and loses publishes if the
/// session is not kept.
pub const STATUS_REPEATED: (Duration, Duration) = (MQTT_STABLE, Duration::from_secs(600));
/// Share of the arena that statuses may take and records may not: one part in this many.
pub const STATUS_QUEUE_SHARE: usize = 8;
/// Most that statuses may take of the arena, bytes: about 13,000 of them.
pub const STATUS_QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// Least that statuses may take of the arena, bytes: the statuses of two batches.
pub const STATUS_QUEUE_BYTES_MIN: usize = 2 * BATCH_RECORDS * STATUS_ENTRY_BYTES;
/// Bytes of an ordinary status without its id: a record id of 224 characters and the JSON around it.
/// While the broker is connected, a batch is sent only when its statuses have room.
pub const STATUS_ENTRY_BYTES: usize = 320;

// ---- MQTT ----

/// Publishes handed to the relay at a time, acknowledged together.
pub const PUBLISHES: usize = 64;
/// Bytes of publishes after which no more are added to those handed to the relay.
pub const PUBLISHES_BYTES: usize = 32 * 1024;
/// Publishes in a group from which on the broker counts as sending at full rate.
pub const PUBLISHES_BUSY: usize = 4;
/// How long publishes gather before they are read, when the broker sends at full rate ([`PUBLISHES_BUSY`]).
pub const PUBLISHES_GATHER: Duration = Duration::from_millis(1);
/// How long publishes gather unread while their records wait for an interval anyway: each time they are read the process
/// wakes. A multiple of 64 ms, see [`crate::clock::Beat`]; with a request a second, too, that is 9 wake-ups a second.
pub const GATHER: Duration = Duration::from_millis(128);
/// How much later than [`GATHER`] gathered publishes may be read, because something else keeps the process busy; and how long those that
/// are there at a stop have to be read.
pub const GATHER_LATE: Duration = Duration::from_millis(32);
/// Shortest time that publishes gather unread. When they come so fast that it would be shorter, they are read without a pause.
pub const GATHER_LEAST: Duration = Duration::from_millis(4);
/// Publishes gather in at most one part in this many of the kernel's receive buffer, so that the broker can always send:
/// the kernel counts its own structures, too, and a burst takes more.
pub const GATHER_BUFFER_SHARE: usize = 3;
/// QoS 1 publishes that the broker may have sent without our acknowledgement (`Receive Maximum`).
pub const RECEIVE_MAXIMUM: u16 = 1000;
/// Most publishes of a connection that are not acknowledged; above it the oldest are. Some brokers send more than
/// [`RECEIVE_MAXIMUM`] (mosquitto before 2.0.13: all that it keeps, by default 1,500).
pub const UNACKNOWLEDGED: usize = 2048;
/// Publishes that are remembered, acknowledged or not, so that a repeated one is recognised.
pub const SLOTS: usize = 2 * UNACKNOWLEDGED;
const _: () = assert!(UNACKNOWLEDGED >= 2 * RECEIVE_MAXIMUM as usize && UNACKNOWLEDGED + PUBLISHES <= SLOTS);
/// How long after a reconnect unacknowledged publishes may be delivered again: AWS IoT Core tries for an hour.
pub const REDELIVERY: Duration = Duration::from_secs(3600);
/// What comes within this time after an acknowledgement was waiting for it: longer than the round trip to most brokers.
pub const AT_ONCE: Duration = Duration::from_millis(250);
/// Without a publish for this long, and some not acknowledged, the broker may be waiting for an acknowledgement: no
/// shorter than the default of `PublishInterval`, after which there is one anyway.
pub const PAUSE: Duration = Duration::from_secs(10);
/// Longest value of [`PAUSE`], which grows with each pause in which the broker was not waiting for an acknowledgement.
pub const PAUSE_LONGEST: Duration = Duration::from_secs(600);
/// How long the records sent at the end of a [`PAUSE`] may take to be delivered, before publishes are acknowledged although their
/// records are only held.
pub const PAUSE_ANSWER: Duration = Duration::from_secs(5);
/// How long nothing is delivered while the broker's window is nearly full, at least, before publishes are acknowledged although
/// their records are only held: a broker that may not send drops what its queue does not hold (mosquitto: above 1,000 messages
/// unless told otherwise).
pub const WINDOW_STUCK: Duration = Duration::from_secs(1);
/// With a spool: how long a delivery stream may fail until its records go there.
pub const SPOOL_AFTER: Duration = Duration::from_secs(10);
/// With a spool and a source that may be waiting for acknowledgements: how long a delivery stream may fail until its records go
/// there, and how long nothing may be delivered until all records do.
pub const SPOOL_WAITED_FOR: Duration = Duration::from_secs(2);
/// With a spool: how long after SIGTERM all that is held goes there.
pub const SPOOL_DRAINING: Duration = Duration::from_secs(2);
/// Messages with statuses that come back from the spool at a time.
pub const STATUSES_BACK: usize = 64;
/// Time between two looks whether the broker has acknowledged the statuses that came back from the spool.
pub const STATUSES_ASKED: Duration = Duration::from_millis(500);
/// Records of the spool that stay in memory for a delivery stream that fails, by which is seen when it takes records
/// again.
pub const PROBES: usize = 16;
/// Records of the spool in memory for a delivery stream that takes them: two batches.
pub const BACKLOG_RECORDS: usize = 2 * BATCH_RECORDS;
/// How long records that came back from the spool gather for a batch.
pub const BACKLOG_GATHER: Duration = Duration::from_millis(200);
/// Smallest packet limit announced to the broker, bytes.
pub const PACKET_BYTES_MIN: usize = 16 * 1024;
/// Largest packet limit: a record of the largest size with every byte written as `\u00XX`, and an id.
pub const PACKET_BYTES_MAX: usize = 6 * RECORD_BYTES + 2 * ID_JSON_BYTES;
/// Bytes kept of a publish above the packet limit, and never more than that limit: room for the longest topic, and for
/// the first bytes of a JSON message, where its id may be.
pub const PUBLISH_BEGIN_BYTES: usize = ID_JSON_BYTES + PACKET_BYTES_MIN;
/// How long the broker is asked to keep the session, and with it QoS 1 publishes, while the connector is disconnected.
pub const SESSION_EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// MQTT keep-alive; a shorter one of the broker (`Server Keep Alive`) takes precedence. A broker that is silent for one
/// and a half times as long counts as gone.
pub const MQTT_KEEP_ALIVE: Duration = Duration::from_secs(60);
/// A third of the least time for the answer to a ping, however short the keep-alive: a link with a round trip of 1.5 s
/// loses a packet now and then.
pub const MQTT_STEP_MIN: Duration = Duration::from_secs(1);
/// Bytes a second by which an unfinished packet has to grow to count as a sign of life, over a quarter of the
/// keep-alive. A tenth of what the slowest modem carries.
pub const MQTT_BYTES_PER_SECOND: u32 = 64;
/// How long the broker may take to answer the login, and then the subscription.
pub const MQTT_CONNECT: Duration = Duration::from_secs(30);
/// How long the broker may take to answer a login in MQTT 5 while 3.1.1 can be tried, too: at first, and, in addition to twice the
/// time that the answer to 3.1.1 took, after a login in 3.1.1. On a link with a round trip of 1.5 s two packets in a row may be lost.
pub const MQTT_ANSWER: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// How long MQTT 3.1.1 is spoken over new connections until version 5 is tried again: a broker may have learnt it meanwhile.
pub const MQTT_VERSION_KNOWN: Duration = Duration::from_secs(24 * 3600);
/// The most that the answer to the subscription may take, when publishes of the resumed session precede it on a slow
/// link.
pub const MQTT_SUBSCRIBE_MAX: Duration = Duration::from_secs(600);
/// A connection to the broker that lasted this long ends a series of failures.
pub const MQTT_STABLE: Duration = Duration::from_secs(60);
/// Connections to the broker in a row that are closed before [`MQTT_STABLE`] and without a reason until another client with the
/// same id is suspected.
pub const MQTT_CLOSED_EARLY: u32 = 3;
/// Packets of the broker that answer nothing (PINGRESP, PUBACK, SUBACK, PUBREL), more than were asked for, until the
/// connection ends: each costs work. Those of an earlier connection, [`UNACKNOWLEDGED`] at most, may come late.
pub const UNASKED: usize = 2 * UNACKNOWLEDGED;
/// Bytes of a client id, user name or password (MQTT 5.0, sections 1.5.4 and 1.5.6).
pub const MQTT_FIELD_BYTES: usize = u16::MAX as usize;
/// Bytes of a packet that is not a publish, or more if texts may stand in it: then as many as were announced for
/// publishes.
pub const CONTROL_PACKET_BYTES: usize = 16 * 1024;
/// First and longest delay between two attempts to reach the broker.
pub const MQTT_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Longest delay when the broker is on this machine or in the local network: an attempt costs next to nothing there,
/// and the broker's queue for us is short (mosquitto's default is 1000 publishes).
pub const MQTT_BACKOFF_NEAR: Duration = Duration::from_secs(3);
/// Longest delay while the device has no network: an attempt costs next to nothing, and the network is noticed at once.
pub const MQTT_OFFLINE: Duration = Duration::from_secs(1);
/// First and longest delay until the next attempt after a refusal by the broker that only a person can correct.
pub const MQTT_REFUSED_BACKOFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

// ---- life ----

/// Open files, when the process is confined: standard input and output, two for the poller, three for signals, one for
/// the service manager, a connection to the broker and one for each request, four lookups with a socket for each of
/// three name servers, an exchange for credentials; and as many again.
pub const OPEN_FILES: u64 = 64;

/// Symbolic links that are followed in one path, as many as the kernel follows (path_resolution(7)).
pub const LINKS: usize = 40;

/// Seconds between two publishes of the counters, at least and at most: a message for each second or each day.
pub const COUNTERS_INTERVAL: core::ops::RangeInclusive<u64> = 1..=24 * 3600;

/// Bytes of a text from outside that are shown in a message, before control characters are escaped.
pub const FOREIGN_TEXT: usize = 300;
/// Bytes of a whole message, in the log or on a terminal.
pub const LINE_TEXT: usize = 3500;
/// Bytes of a line of the log with what surrounds its message (`PIPE_BUF` of Linux): a pipe takes that many whole or
/// not at all.
pub const LINE_BYTES: usize = 4096;
/// Bytes of a secret from which on it is kept out of messages. A shorter one would blank ordinary words.
pub const SECRET_LEAST: usize = 6;

/// Lines of one kind that are logged at once.
pub const LOG_BURST: u32 = 10;
/// After a burst, one line of its kind is logged in this time.
pub const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Time between two attempts to report lines that could not be written.
pub const LOG_RETRY: Duration = Duration::from_secs(1);

/// Part of the watchdog's time (`WATCHDOG_USEC`) after which the loop gives a sign of life: one in this many, as
/// `sd_watchdog_enabled(3)` advises.
pub const WATCHDOG_SHARE: u32 = 2;
/// Shortest time between two of these signs, so that a watchdog's time of nothing makes no busy loop.
pub const WATCHDOG_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// After SIGTERM: how long held records may still be sent.
pub const DRAIN: Duration = Duration::from_millis(7500);
/// With a spool: how long the rest may take to be written there, before the last statuses and after them. [`DRAIN`] is
/// shorter by both.
pub const DRAIN_SPOOL: Duration = Duration::from_millis(750);
/// After [`DRAIN`]: how long the last statuses may take to reach the broker. With [`DRAIN`] and half a second for the rest
/// this is the stated time of 10 seconds.
pub const DRAIN_STATUSES: Duration = Duration::from_secs(2);

const _: () =
    assert!(STATUS_BYTES_MIN >= ID_JSON_BYTES + ERROR_MESSAGE_BYTES * 6 + 1024, "every status fits a message");
const _: () = assert!(ARN_BYTES >= "arn:::::deliverystream/".len() + 16 + "firehose".len() + 32 + 12 + NAME_BYTES);
