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
/// Bytes of a `PutRecordBatch` body that are not records: the name of the delivery stream and what stands around it.
pub const ENVELOPE_BYTES: usize = 40 + NAME_BYTES;
/// Bytes of a request body encoded at a time.
pub const CHUNK_BYTES: usize = 16 * 1024;
/// Bytes of a reply. 500 entries with record ids of 224 characters are 120 KB; a longer reply is
/// taken as unreadable: its batch is sent again with half as many records.
pub const REPLY_BYTES: usize = 256 * 1024;
/// Bytes of a service's error message that are kept for the status.
pub const ERROR_MESSAGE_BYTES: usize = 1024;
/// First delay after a failed request; each further failure doubles it.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Longest delay between two attempts of a delivery stream.
pub const BACKOFF_CAP: Duration = Duration::from_secs(300);
/// Shortest delay, so that jitter never makes a busy loop.
pub const BACKOFF_FLOOR: Duration = Duration::from_millis(50);
/// A request that moved no byte for this long has failed.
pub const STALL: Duration = Duration::from_secs(60);
/// A connection to the service unused for this long is closed; the service closes its side later.
pub const KEEP_ALIVE: Duration = Duration::from_secs(45);
/// Bytes the kernel may hold unsent for a connection to the service: on a slow link a full buffer
/// must drain within [`STALL`] (64 kbit/s: 16 s).
pub const SEND_BUFFER_BYTES: u32 = 128 * 1024;

// ---- status ----

/// Bytes of one status message: the payload limit of AWS IoT Core. More entries go in a second message.
pub const STATUS_BYTES: usize = 128 * 1024;
/// Bytes of status messages sent and not yet acknowledged by the broker.
pub const STATUS_IN_FLIGHT_BYTES: usize = 2 * STATUS_BYTES;
/// Status messages sent and not yet acknowledged by the broker.
pub const STATUS_IN_FLIGHT: usize = 32;
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
pub const PUBLISHES_BYTES: usize = 64 * 1024;
/// QoS 1 publishes that the broker may have sent without our acknowledgement (`Receive Maximum`).
pub const RECEIVE_MAXIMUM: u16 = 500;
/// Smallest packet limit announced to the broker, bytes.
pub const PACKET_BYTES_MIN: usize = 16 * 1024;
/// Largest packet limit: a record of the largest size with every byte written as `\u00XX`, and an id.
pub const PACKET_BYTES_MAX: usize = 6 * RECORD_BYTES + 2 * ID_JSON_BYTES;
/// How long the broker keeps the session, and with it QoS 1 publishes, while the connector is away.
pub const SESSION_EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// MQTT keep-alive: a silent connection is found dead within one and a half of it.
pub const MQTT_KEEP_ALIVE: Duration = Duration::from_secs(60);
/// From the start of connecting to the last subscription's acknowledgement.
pub const MQTT_CONNECT: Duration = Duration::from_secs(30);
/// First and longest delay between two attempts to reach the broker.
pub const MQTT_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// The same when the broker answered and refused: only a person can mend that.
pub const MQTT_REFUSED_BACKOFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

// ---- life ----

/// After SIGTERM: how long held records may still be sent.
pub const DRAIN: Duration = Duration::from_secs(8);
/// After that: how long the last statuses may take to reach the broker. With [`DRAIN`] this is the
/// stated time of 10 seconds.
pub const DRAIN_STATUSES: Duration = Duration::from_secs(2);

const _: () = assert!(STATUS_BYTES >= ID_JSON_BYTES + ERROR_MESSAGE_BYTES * 6 + 1024, "every status fits a message");
const _: () = assert!(ARN_BYTES >= "arn:::::deliverystream/".len() + 16 + "firehose".len() + 32 + 12 + NAME_BYTES);
