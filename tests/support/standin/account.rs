//! What the stand-in accepted: counted, told apart by content, written to files when a folder is given.
//!
//! Invariant: received = accepted + failed + dropped, in records of requests that were understood.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::PathBuf,
    sync::mpsc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// Characters of a `RecordId`, as the service's are.
const RECORD_ID_LEN: usize = 224;
/// The pricing page: "in increments of 5 KB".
const BILLED_BYTES: u64 = 5 * 1024;

/// One accepted record.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    /// Name of the delivery stream.
    pub(crate) stream: String,
    /// The id it was given.
    pub(crate) record_id: String,
    /// What it held.
    pub(crate) data: Vec<u8>,
}

/// What became of a record that arrived.
#[derive(Debug)]
#[allow(dead_code, reason = "not everybody who starts a stand-in listens")]
pub(crate) enum Arrival {
    /// It was accepted.
    Accepted(Delivered),
    /// It failed alone and should come again.
    PutOff {
        /// Name of the delivery stream.
        stream: String,
        /// What it held.
        data: Vec<u8>,
    },
}

/// The books.
#[derive(Debug, Default)]
pub(super) struct Account {
    folder: Option<PathBuf>,
    keep: usize,
    announce: Option<mpsc::SyncSender<Arrival>>,
    kept: Vec<Delivered>,
    seen: HashSet<(String, u64)>,
    streams: BTreeMap<String, u64>,
    pub(super) figures: Figures,
}

/// The counters; all but the first four count records.
#[derive(Debug, Default, Clone)]
pub(super) struct Figures {
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) single_requests: u64,
    /// Requests that broke a rule of the service: always the client's fault.
    pub(super) refused_requests: u64,
    pub(super) last_refusal: String,
    pub(super) faulted_requests: u64,
    pub(super) received: u64,
    /// Failed alone, in a batch that was otherwise accepted.
    pub(super) failed: u64,
    /// Came in a request that failed as a whole.
    pub(super) dropped: u64,
    pub(super) accepted: u64,
    pub(super) accepted_bytes: u64,
    /// Each record rounded up to a multiple of 5 KB.
    pub(super) billed_bytes: u64,
    /// Accepted although the same data had been accepted for the same stream before.
    pub(super) repeated: u64,
    /// Accepted in requests whose answer was then lost on purpose.
    pub(super) accepted_unanswered: u64,
    pub(super) largest_batch: usize,
}

impl Account {
    pub(super) fn new(
        folder: Option<PathBuf>,
        keep: usize,
        announce: Option<mpsc::SyncSender<Arrival>>,
    ) -> io::Result<Self> {
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
        }
        Ok(Self { folder, keep, announce, ..Self::default() })
    }

    /// Forgets everything accepted so far; files stay.
    pub(super) fn reset(&mut self) {
        let fresh = Self { folder: self.folder.take(), announce: self.announce.take(), ..Self::default() };
        *self = Self { keep: self.keep, ..fresh };
    }

    /// Takes one record in and says under which id.
    pub(super) fn accept(&mut self, stream: &str, data: Vec<u8>) -> io::Result<String> {
        self.figures.accepted += 1;
        self.figures.accepted_bytes += data.len() as u64;
        self.figures.billed_bytes += (data.len() as u64).div_ceil(BILLED_BYTES).max(1) * BILLED_BYTES;
        let record_id = record_id(self.figures.accepted);
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        if !self.seen.insert((stream.to_owned(), hasher.finish())) {
            self.figures.repeated += 1;
        }
        let nth = self.streams.entry(stream.to_owned()).or_default();
        *nth += 1;
        if let Some(folder) = &self.folder {
            let folder = folder.join(stream);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("{nth:06}")), &data)?;
        }
        let keep = data.len() <= self.keep;
        if keep || self.announce.is_some() {
            let delivered = Delivered { stream: stream.to_owned(), record_id: record_id.clone(), data };
            if let Some(announce) = &self.announce {
                // Losing an announcement is better than stopping the service.
                drop(announce.try_send(Arrival::Accepted(delivered.clone())));
            }
            if keep {
                self.keep -= delivered.data.len();
                self.kept.push(delivered);
            }
        }
        Ok(record_id)
    }

    /// Lets one record fail.
    pub(super) fn put_off(&mut self, stream: &str, data: Vec<u8>) {
        self.figures.failed += 1;
        if let Some(announce) = &self.announce {
            drop(announce.try_send(Arrival::PutOff { stream: stream.to_owned(), data }));
        }
    }

    /// The figures, for `GET /standin/state`.
    pub(super) fn state(&self) -> Value {
        let f = &self.figures;
        json!({
            "connections": f.connections,
            "requests": f.requests,
            "single_requests": f.single_requests,
            "refused_requests": f.refused_requests,
            "last_refusal": f.last_refusal,
            "faulted_requests": f.faulted_requests,
            "received": f.received,
            "failed": f.failed,
            "dropped": f.dropped,
            "accepted": f.accepted,
            "accepted_bytes": f.accepted_bytes,
            "billed_bytes": f.billed_bytes,
            "repeated": f.repeated,
            "accepted_unanswered": f.accepted_unanswered,
            "largest_batch": f.largest_batch,
            "streams": self.streams,
        })
    }

    /// The records that were kept, oldest first, for `GET /standin/records`.
    pub(super) fn records(&self) -> Value {
        let record = |kept: &Delivered| {
            json!({
                "stream": kept.stream,
                "record_id": kept.record_id,
                "data": BASE64_STANDARD.encode(&kept.data),
            })
        };
        self.kept.iter().map(record).collect()
    }
}

/// Unlike any other, and as long as the service's.
fn record_id(nth: u64) -> String {
    let filler = "lxfuuuFomkpJYzt/34ZU/r8JYPf8Wyf7AXqlXm+0";
    let mut id = format!("{nth:020}");
    id.extend(filler.chars().cycle().take(RECORD_ID_LEN - id.len()));
    id
}
