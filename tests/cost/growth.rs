//! Whether a record costs more when there are more delivery streams, more records that wait, or more that went before.

use std::error::Error;

use bytes::BytesMut;
use firehose_connector::limits::BATCH_RECORDS;
use firehose_connector::relay::Relay;
use firehose_connector::time::{Duration, Instant};

use crate::{ARN, answer, packets, receive, relay, send};

/// Bytes of data of a batch, at most: fewer than fit into a request.
const BATCH: usize = 5 << 19;
const SECOND: Duration = Duration::from_secs(1);

pub struct Load {
    pub streams: usize,
    /// Records that wait besides those of a batch; only with records so short that the count limits a batch.
    pub waiting: usize,
    /// Bytes of a record's data.
    pub bytes: usize,
}

/// A relay under a load that stays as it is: what comes goes, a batch for each delivery stream at a time.
struct Steady {
    relay: Box<Relay>,
    /// A batch for each delivery stream, by turns.
    packets: BytesMut,
    /// Records in each batch.
    records: usize,
    answer: Vec<u8>,
    load: Load,
    now: Instant,
    number: u64,
}

/// So many rounds, each with a batch for each delivery stream. Prints the records of a round, and the memory at the end.
pub fn rounds(load: Load, rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut steady = Steady::new(load)?;
    for _ in 0..rounds {
        steady.round()?;
    }
    println!("{} records a round, {} kB", steady.records * steady.load.streams, anonymous()?);
    Ok(())
}

/// So many records, one after the other. Prints CPU time and memory after each tenth of them.
pub fn uptime(records: usize) -> Result<(), Box<dyn Error>> {
    let mut steady = Steady::new(Load { streams: 1, waiting: 0, bytes: 64 })?;
    for _ in 0..10 {
        let before = cpu_nanoseconds()?;
        for _ in 0..records / 10 / steady.records {
            steady.round()?;
        }
        let each = (cpu_nanoseconds()? - before) * 10 / records as u64;
        println!("{} records: {each} ns each, {} kB", steady.number, anonymous()?);
    }
    Ok(())
}

impl Steady {
    fn new(load: Load) -> Result<Self, Box<dyn Error>> {
        let records = BATCH_RECORDS.min(BATCH / load.bytes);
        let arns: Vec<String> =
            (1..load.streams).map(|stream| format!("{ARN}-{stream}")).chain([ARN.to_owned()]).collect();
        let packets = packets(true, load.bytes, records * load.streams, &arns)?;
        let (relay, answer) = (relay(load.waiting + records)?, answer(records));
        let (now, number) = (Instant::default(), 0);
        let mut steady = Self { relay, packets, records, answer, load, now, number };
        while let left @ 1.. = steady.load.waiting - steady.relay.held() {
            let packets = crate::packets(true, steady.load.bytes, left.min(records), &arns)?;
            receive(&mut steady.relay, now, &packets, &mut steady.number)?;
        }
        Ok(steady)
    }

    fn round(&mut self) -> Result<(), Box<dyn Error>> {
        self.now = self.now + SECOND;
        receive(&mut self.relay, self.now, &self.packets, &mut self.number)?;
        for _ in 0..self.load.streams {
            let statuses = send(&mut self.relay, self.now + SECOND, &self.answer, false)?;
            if statuses != self.records {
                return Err(format!("{statuses} statuses").into());
            }
        }
        if self.relay.held() != self.load.waiting {
            return Err(format!("{} records wait", self.relay.held()).into());
        }
        Ok(())
    }
}

/// kB of memory that are not the program's file.
fn anonymous() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).ok_or("no anonymous memory is named")?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}

/// See sched-stats in the kernel's documentation.
fn cpu_nanoseconds() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(text.split(' ').next().ok_or("no time is named")?.parse()?)
}
