//! The relay: takes publishes, holds their records, says what to send when, and what to answer.
//!
//! It does no I/O and has no clock: the caller brings bytes and the time, and gets bytes and a
//! deadline. Every call takes `now`; a time that runs backwards only delays.
//!
//! A record's life: [`Relay::accept`] copies it into the [`arena`] and the [`queue`] of its
//! [`stream`], or queues a `fail` status. [`Relay::poll_send`] cuts a batch, in which several may share a [`pack`], and
//! which `firehose::request` reads in place. [`Relay::handle_outcome`] settles each record: a status and freed memory, or back
//! to the end of the queue, or [`aside`] when others are taken and this one is not. [`Relay::next_status`] yields the
//! statuses as messages.
//!
//! At all times: received + read back = succeeded + failed + held + spooled, see [`Counters`].

mod accept;
mod acknowledge;
pub mod arena;
pub mod arn;
pub mod aside;
pub mod backoff;
pub mod chain;
mod counters;
pub mod cut;
pub mod json;
pub mod message;
pub mod outcome;
pub mod pack;
pub mod queue;
mod read_back;
pub mod receipts;
pub mod record;
pub mod refusal;
mod send;
mod settle;
mod source_window;
mod spooled;
pub mod status;
mod status_outlet;
pub mod status_queue;
pub mod stream;

use acknowledge::DeliveryProgress;
use arena::Arena;
use arn::DeliveryStreamArn;
use backoff::Jitter;
pub use counters::Counters;
use pack::Packing;
use queue::RecordQueue;
pub use read_back::TakenBack;
use receipts::Receipts;
use source_window::SourceWindow;
use spooled::SpoolSide;
pub use spooled::{Ended, SpoolState};
use status_queue::StatusQueue;
use stream::DeliveryStream;

use crate::limits::{
    BACKOFF_DRAINING, CONNECTIONS, GATHER, GATHER_LATE, GATHER_LEAST, STATUS_QUEUE_BYTES, STATUS_QUEUE_BYTES_MIN,
    STATUS_QUEUE_SHARE, STREAMS,
};
use crate::time::{Duration, Instant};

/// What a relay is made for.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// Version of the connector, 1 to 5.
    pub version: u8,
    /// Where records without an ARN of their own go.
    pub default_delivery_stream: DeliveryStreamArn<'a>,
    /// `DeliveryStreamQueueSize`, records.
    pub queue_size: usize,
    /// `PublishInterval`; zero: each record is sent on its own, at once.
    pub publish_interval: Duration,
    /// Bytes for records and waiting statuses.
    pub arena_bytes: usize,
    /// Requests in flight over all streams, at most [`CONNECTIONS`].
    pub connections: usize,
    /// When a publish is safe, so that its source may be told.
    pub acknowledge: Acknowledge,
    /// How records are packed. Without batching, none waits for another, so each is a pack of its own.
    pub packing: Packing,
    /// For jitter, and for what publishes are recognised by.
    pub seed: u64,
}

/// When a publish is acknowledged, if its source waits for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// When its record is in memory.
    Held,
    /// When its record is delivered, or failed and has its status queued.
    #[default]
    Safe,
}

impl Acknowledge {
    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Safe => "safe",
        }
    }
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Its record is held.
    Held,
    /// It was answered with a `fail` status.
    Failed,
    /// Its topic is none of the connector's: not counted, not answered.
    NotOurs,
    /// It was received before: not counted, and answered once.
    Known,
    /// It can be neither held nor answered before statuses have left: not counted. See
    /// [`Relay::set_source_redelivers`].
    NotNow,
}

/// A publish that is longer than a packet may be here, so that only its beginning is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes of the whole packet.
    pub bytes: usize,
    /// Bytes that a packet may have, less its fixed header.
    pub limit: usize,
    /// Not even its topic is known to the end.
    pub topic_cut: bool,
}

/// A batch in flight. It is given back to [`Relay::handle_outcome`] exactly once, so it is not `Clone`.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchId(usize);

/// The records of one request.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// In the order of the request.
    pub records: RecordQueue,
    /// Records of the service that they are packed into.
    pub packs: usize,
    /// Bytes that these take in the request body.
    pub encoded: usize,
    /// How they are packed.
    pub packing: Packing,
    /// Sent by `PutRecord` instead of `PutRecordBatch`.
    pub single: bool,
    /// Its one record failed alone before, see [`aside`].
    alone: bool,
    stream: usize,
    cut_at: Instant,
}

/// What an outcome did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Records the service took.
    pub succeeded: usize,
    /// Records that failed for good.
    pub failed: usize,
    /// Records that went back to the end of the queue.
    pub retried: usize,
    /// Of these, those that from now on are sent alone, because the service takes others and not them.
    pub set_aside: usize,
    /// Of these, those of a pack that the service refused: each comes again in a pack of its own.
    pub unpacked: usize,
}

/// What became of the records that were held at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Records that failed.
    pub failed: usize,
    /// Of these, those that were part of a request.
    pub in_flight: usize,
    /// Records that were left to their source, because it sends them again.
    pub left: usize,
    /// Records that stay in the spool.
    pub spooled: usize,
}

/// The core: everything that is held, and what happens to it next.
#[derive(Debug)]
pub struct Relay {
    arena: Arena,
    statuses: StatusQueue,
    /// The first is the default one and stays; the others leave when they hold nothing.
    streams: [Option<DeliveryStream>; STREAMS],
    batches: [Option<Batch>; CONNECTIONS],
    counters: Counters,
    /// Publishes that are to be acknowledged.
    receipts: Receipts,
    source_window: SourceWindow,
    progress: DeliveryProgress,
    /// Number of the publish that is being accepted, if its record's end is waited for.
    receiving: Option<u64>,
    acknowledge: Acknowledge,
    packing: Packing,
    spool: SpoolSide,
    seed: u64,
    jitter: Jitter,
    queue_size: usize,
    publish_interval: Duration,
    connections: usize,
    /// Without batching, or version 1.
    single: bool,
    /// When the service answered last, at whatever endpoint.
    answered: Instant,
    /// The stream after the one that sent last.
    next_stream: usize,
    /// Until then batches wait for room for their statuses: for ever while the broker takes them.
    room_until: Instant,
    /// That time, once the broker was lost and until it takes statuses again.
    pause_ends: Option<Instant>,
    source_redelivers: bool,
    /// When publishes were last read, and when before that. Those of the last time may have come soon after the time before.
    read: (Instant, Instant),
    draining: bool,
}

impl Relay {
    /// A relay that holds nothing.
    #[must_use]
    pub fn new(settings: &Settings<'_>) -> Self {
        let status_bytes =
            (settings.arena_bytes / STATUS_QUEUE_SHARE).clamp(STATUS_QUEUE_BYTES_MIN, STATUS_QUEUE_BYTES);
        let mut streams = [const { None }; STREAMS];
        let single = settings.version == 1 || settings.publish_interval.is_zero();
        let packing = settings.packing;
        streams[DEFAULT] = Some(DeliveryStream::new(settings.default_delivery_stream, packing));
        Self {
            arena: Arena::new(settings.arena_bytes),
            statuses: StatusQueue::new(settings.version, status_bytes),
            streams,
            batches: [const { None }; CONNECTIONS],
            counters: Counters::default(),
            receipts: Receipts::new(),
            source_window: SourceWindow::new(),
            progress: DeliveryProgress::default(),
            receiving: None,
            acknowledge: settings.acknowledge,
            packing,
            spool: SpoolSide::default(),
            seed: settings.seed,
            jitter: Jitter::new(settings.seed),
            queue_size: settings.queue_size,
            publish_interval: if single { Duration::ZERO } else { settings.publish_interval },
            connections: settings.connections.clamp(1, CONNECTIONS),
            single,
            answered: Instant::default(),
            next_stream: DEFAULT,
            room_until: Instant::default(),
            pause_ends: None,
            source_redelivers: false,
            read: Default::default(),
            draining: false,
        }
    }

    /// The batch, to be encoded, with the arena that its records are in.
    ///
    /// `None` only for an id of another relay.
    #[must_use]
    pub fn batch(&self, id: &BatchId) -> Option<(&Batch, &Arena)> {
        Some((self.batches.get(id.0)?.as_ref()?, &self.arena))
    }

    /// The delivery stream that a batch goes to.
    #[must_use]
    pub fn stream(&self, id: &BatchId) -> Option<&DeliveryStream> {
        self.streams[self.batches.get(id.0)?.as_ref()?.stream].as_ref()
    }

    /// Where the delivery stream of a batch stands in the table, for [`Relay::failures`].
    #[must_use]
    pub fn stream_index(&self, id: &BatchId) -> Option<usize> {
        Some(self.batches.get(id.0)?.as_ref()?.stream)
    }

    /// Requests in a row that brought nothing, of the delivery stream at `index`; zero when it has left the table.
    #[must_use]
    pub fn failures(&self, index: usize) -> u32 {
        self.streams.get(index).and_then(Option::as_ref).map_or(0, DeliveryStream::failures)
    }

    /// From now on nothing waits for its interval. What waits after a failure is due at once, and is tried again after
    /// short delays: the service may be well by now, and there is no later. Nothing waits for a broker that is not
    /// there.
    pub fn drain(&mut self) {
        self.draining = true;
        if !self.broker_takes_statuses() {
            self.room_until = Instant::default();
        }
        self.jitter.hurry(BACKOFF_DRAINING);
        self.retry_now();
    }

    /// What has failed may go well now: it is tried at once.
    pub fn retry_now(&mut self) {
        self.streams.iter_mut().flatten().for_each(DeliveryStream::hurry);
    }

    /// Whether records wait for others, so that a moment more or less does not matter.
    #[must_use]
    pub const fn gathers(&self) -> bool {
        !self.single
    }

    /// Publishes have been read, and are received next. They may have gathered unread since the last time, for [`GATHER`]
    /// at most, if they are read in time. The interval of their records begins then, so that it ends no later than if each had been read
    /// when it came. No rest is as short as [`GATHER_LEAST`]: what is read that soon gathered with those before.
    pub fn source_is_read(&mut self, now: Instant) {
        let (before, since) = self.read;
        let since = if now.since(before) < GATHER_LEAST { since } else { before };
        let since = if self.gathers() && now.since(since) <= GATHER + GATHER_LATE { since } else { now };
        self.read = (now, since);
    }

    /// Records that wait or are in flight.
    #[must_use]
    pub fn held(&self) -> usize {
        self.streams.iter().flatten().map(DeliveryStream::held).sum()
    }

    /// Records since the start.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The memory behind it all.
    #[must_use]
    pub const fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Maps and touches all memory now. See [`Arena::touch`].
    ///
    /// # Errors
    /// The kernel gave no memory.
    pub fn touch(&mut self) -> Result<(), arena::Full> {
        self.arena.touch()
    }

    /// A delivery stream other than the default one leaves the table when it holds nothing.
    fn retire(&mut self, index: usize) {
        if index != DEFAULT && self.streams[index].as_ref().is_some_and(|stream| stream.held() == 0) {
            self.streams[index] = None;
        }
    }

    fn check_conservation(&self) {
        let Counters {
            received,
            succeeded,
            failed,
            failed_invalid,
            failed_full,
            failed_undelivered,
            spooled,
            read_back,
            ..
        } = self.counters;
        debug_assert_eq!(
            received + read_back,
            succeeded + failed + self.held() as u64 + spooled,
            "every record received is accounted for"
        );
        debug_assert_eq!(failed, failed_invalid + failed_full + failed_undelivered, "every failure has a reason");
    }
}

/// Place of the default delivery stream.
const DEFAULT: usize = 0;
