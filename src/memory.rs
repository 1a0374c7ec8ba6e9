//! How `MemorySize` is enforced: what each part of the process may take, and what is left for records.
//!
//! `MemorySize` is the ceiling of resident memory, program text included. The parts below are the most that
//! each can take, from [`crate::limits`]; the arena gets the rest. The kernel holds us to it: the limit of
//! data memory (`RLIMIT_DATA`) is set to everything but the program's own files, so a mistake in this
//! arithmetic ends the process instead of the device.

use core::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, Proxy};
use crate::limits::{
    ARENA_BYTES, ARN_BYTES, CHUNK_BYTES, CHUNK_BYTES_MIN, CONNECTIONS, HTTP_BUFFER_BYTES, ID_JSON_BYTES,
    PACKET_BYTES_MAX, PACKET_BYTES_MIN, PUBLISHES_BYTES, RECORD_BYTES, REPLY_BYTES, STATUS_BYTES, STATUS_BYTES_MIN,
    greengrass, memory as limits,
    spool::{COMMIT_BYTES, READ_BYTES},
};
use crate::relay::receipts;

const KIB: usize = 1024;

/// The most that each part may take, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// `MemorySize`.
    pub total: usize,
    /// The program and its libraries: text and constants.
    pub program: usize,
    /// Stacks and heap of everything that is not named below.
    pub runtime: usize,
    /// Connections to the service: TLS, HTTP, a chunk of the request, the answer.
    pub service: usize,
    /// The connection to the broker or the nucleus: TLS, packets being read, statuses being sent.
    pub broker: usize,
    /// The spool's thread, tables and buffers.
    pub spool: usize,
    /// Records and statuses that wait.
    pub arena: usize,
    /// Connections to the service, count.
    pub connections: usize,
    /// Largest packet that the broker may send, or frame of the nucleus that is held, bytes.
    pub packet: usize,
    /// Bytes read from the broker at a time.
    pub read: usize,
    /// Largest status message, bytes.
    pub status: usize,
    /// Bytes of a request body encoded at a time.
    pub chunk: usize,
    /// Longest entry of the spool, bytes.
    pub entry: usize,
    /// Publishes come from the nucleus of Greengrass in place of a broker; for the words only.
    pub greengrass: bool,
}

/// Whether TLS with a peer runs inside TLS with a proxy: then each connection holds the state of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tunnels {
    /// On the way to the service.
    pub service: bool,
    /// On the way to the broker.
    pub broker: bool,
}

impl Tunnels {
    /// The tunnels that a configuration asks for.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let is_over_tls = |proxy: &Option<Proxy>| proxy.as_ref().is_some_and(|proxy| proxy.endpoint.tls);
        Self { service: is_over_tls(&config.aws.proxy), broker: is_over_tls(&config.mqtt.proxy) }
    }

    const fn bytes(is_there: bool) -> usize {
        if is_there { limits::TLS } else { 0 }
    }
}

/// `MemorySize` is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSmall {
    /// `MemorySize`, KB.
    pub given: usize,
    /// The least that works for this program on this machine, KB.
    pub least: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.least;
        write!(f, "must be at least {least} (KB): the program, its buffers and a few records take that much here")
    }
}

impl core::error::Error for TooSmall {}

impl Plan {
    /// Divides `total` bytes, of which the program itself takes up to `program`, with a `spool` or without. The more
    /// there is, the more connections and the larger packets; most of it goes to the arena.
    ///
    /// # Errors
    /// Less than one connection, the smallest packets and [`ARENA_BYTES`] of arena need.
    pub fn new(total: usize, program: usize, tunnels: Tunnels, spool: bool) -> Result<Self, TooSmall> {
        let least = least(program, tunnels, spool);
        let Some(extra) = total.checked_sub(least) else {
            return Err(TooSmall { given: total / KIB, least: least.div_ceil(KIB) });
        };
        let connections = (1 + extra / limits::PER_CONNECTION).min(CONNECTIONS);
        let packet = (PACKET_BYTES_MIN + extra / limits::PACKET_SHARE).min(PACKET_BYTES_MAX);
        let read = packet.min(PUBLISHES_BYTES);
        let chunk = (CHUNK_BYTES_MIN + extra / limits::CHUNK_SHARE).min(CHUNK_BYTES);
        let service = connections * (connection(chunk) + Tunnels::bytes(tunnels.service));
        let status = (STATUS_BYTES_MIN + extra / limits::STATUS_SHARE).min(STATUS_BYTES);
        let broker = broker(packet, read, status) + Tunnels::bytes(tunnels.broker);
        let entry = entry(packet);
        let spool = if spool { self::spool(entry) } else { 0 };
        let (runtime, arena) = (RUNTIME, total - program - RUNTIME - service - broker - spool);
        Ok(Self {
            total,
            program,
            runtime,
            service,
            broker,
            spool,
            arena,
            connections,
            packet,
            read,
            status,
            chunk,
            entry,
            greengrass: false,
        })
    }

    /// What the process and the kernel on its behalf may take: for a limit that counts both, such as `MemoryMax`.
    #[must_use]
    pub const fn with_kernel(&self) -> usize {
        self.total.saturating_add(limits::KERNEL)
    }

    /// The most data memory: all but the program's files.
    #[must_use]
    pub const fn data(&self) -> usize {
        self.total - self.program
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (connection, packet) = match self.greengrass {
            true => ("connection to the nucleus", "largest IPC frame"),
            false => ("connection to the broker", "largest MQTT packet"),
        };
        let parts = [
            ("program text and constants", self.program),
            ("stacks and heap", self.runtime),
            ("connections to the service", self.service),
            (connection, self.broker),
            ("spool", self.spool),
            ("records and statuses", self.arena),
            ("MemorySize", self.total),
        ];
        for (name, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes > 0) {
            writeln!(f, "{name:<28}{:>10} KB", bytes / KIB)?;
        }
        writeln!(f, "{packet:<28}{:>10} bytes", self.packet)?;
        writeln!(f, "{:<28}{:>10} bytes", "largest status message", self.status)?;
        write!(f, "{:<28}{:>10}", "requests at a time", self.connections)
    }
}

const RUNTIME: usize =
    limits::HEAP + receipts::BYTES + limits::CREDENTIALS + limits::THREADS * limits::THREAD + limits::STACK;
/// Chunks: one being written, one asked for. An answer is parsed in place.
const fn connection(chunk: usize) -> usize {
    limits::TLS + 2 * HTTP_BUFFER_BYTES + 3 * chunk + REPLY_BYTES + limits::REPLY_ENTRIES
}

/// Publishes hold the buffer they were read into while a large one is read into another, which may move as it
/// grows. Status messages: two with the broker, one made and one on its way to be sent, which is copied into a buffer
/// that grows by doubling.
const fn broker(packet: usize, read: usize, status: usize) -> usize {
    limits::TLS + 2 * packet + 4 * read + 6 * status
}

// With a nucleus there are more of them under way, which are short, and no TLS.
const _: () = {
    let held = greengrass::STATUSES + greengrass::STATUSES_WAITING + greengrass::CLOUD_STATUSES;
    assert!(held * greengrass::STATUS_BYTES + 2 * greengrass::OUT_BYTES <= 6 * STATUS_BYTES_MIN);
};

/// An entry of the spool: the largest record that a packet may bring, its id and what stands around them.
const fn entry(packet: usize) -> usize {
    let data = if packet < RECORD_BYTES { packet } else { RECORD_BYTES };
    data + ID_JSON_BYTES + ARN_BYTES + 64
}

/// One buffer is written from, another is read into.
const fn spool(entry: usize) -> usize {
    const { assert!(READ_BYTES as usize <= COMMIT_BYTES) };
    limits::SPOOL + 2 * if entry > COMMIT_BYTES { entry } else { COMMIT_BYTES }
}

/// The least total for which [`Plan::new`] succeeds.
const fn least(program: usize, tunnels: Tunnels, spool: bool) -> usize {
    program
        + RUNTIME
        + Tunnels::bytes(tunnels.service)
        + Tunnels::bytes(tunnels.broker)
        + connection(CHUNK_BYTES_MIN)
        + broker(PACKET_BYTES_MIN, PACKET_BYTES_MIN, STATUS_BYTES_MIN)
        + ARENA_BYTES
        + if spool { self::spool(entry(PACKET_BYTES_MIN)) } else { 0 }
}

/// Bytes of all files mapped into the process: the most that program text and constants can take.
///
/// Zero when `/proc` is not there; then the plan is too generous by the size of the program.
#[must_use]
pub fn program_bytes() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(mapped_file).map(|mapped| mapped.bytes).sum()
}

/// Address and length (bytes) of each mapping of program code: executable and backed by a file.
#[must_use]
pub fn program_code() -> Vec<(usize, usize)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let code = maps.lines().filter_map(mapped_file).filter(|mapped| mapped.permissions == "r-xp");
    code.map(|mapped| (mapped.start, mapped.bytes)).collect()
}

struct Mapped<'a> {
    start: usize,
    bytes: usize,
    permissions: &'a str,
}

/// A line reads `start-end permissions offset device inode path`; memory without a file has inode 0.
fn mapped_file(line: &str) -> Option<Mapped<'_>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let inode = fields.nth(2)?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    (inode != "0").then_some(Mapped { start, bytes: end - start, permissions })
}

/// Limits data memory to the plan (`RLIMIT_DATA`). `for_good`: the hard limit, too, so that processes started by this
/// one cannot raise it again.
///
/// # Errors
/// The kernel refuses to set the limit.
pub fn enforce(plan: &Plan, for_good: bool) -> std::io::Result<()> {
    let bytes = plan.data() as u64;
    let (_, most) = rlimit::getrlimit(rlimit::Resource::DATA)?;
    let bytes = bytes.min(most);
    rlimit::setrlimit(rlimit::Resource::DATA, bytes, if for_good { bytes } else { most })
}

/// The system's limit of memory for this process, if it is below the plan: its name, and bytes. The process would run
/// out of memory in the middle of its work.
#[must_use]
pub fn system_limit(plan: &Plan) -> Option<(&'static str, u64)> {
    let limit = |resource| rlimit::getrlimit(resource).unwrap_or((u64::MAX, u64::MAX));
    let (data, (space, _)) = (limit(rlimit::Resource::DATA).1, limit(rlimit::Resource::AS));
    if data < plan.data() as u64 {
        Some(("ulimit -d, LimitDATA=", data))
    } else if space < plan.total as u64 {
        Some(("ulimit -v, LimitAS=", space))
    } else {
        None
    }
}

/// Somebody has less memory than the plan, in KB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// All that the machine has is less than `MemorySize`.
    Machine {
        /// `MemTotal`.
        given: usize,
        /// `MemorySize`.
        needed: usize,
    },
    /// The service manager lets the process have less than it takes with what the kernel takes for it.
    Service {
        /// `memory.max`.
        given: usize,
        /// See [`Plan::with_kernel`].
        needed: usize,
    },
}

/// Looks at the machine and at the control group: a limit that is too low would strike only when the backlog has grown.
#[must_use]
pub fn too_little_memory(plan: &Plan) -> Vec<Short> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|info| total(&info));
    short(plan, machine, service_bytes())
}

fn short(plan: &Plan, machine_kib: Option<usize>, service_bytes: Option<usize>) -> Vec<Short> {
    let needed = plan.total / KIB;
    let machine = machine_kib.filter(|given| *given < needed).map(|given| Short::Machine { given, needed });
    let needed = plan.with_kernel();
    let service = service_bytes.filter(|given| *given < needed);
    let service = service.map(|given| Short::Service { given: given / KIB, needed: needed.div_ceil(KIB) });
    machine.into_iter().chain(service).collect()
}

/// KB of the machine's memory; the line reads `MemTotal:  123456 kB`.
fn total(info: &str) -> Option<usize> {
    info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// Bytes that the service manager lets the process have (`memory.max` of its cgroup, version 2), if it sets a limit.
fn service_bytes() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = fs::read_to_string(limit_file(&groups)?).ok()?;
    // "max" is no limit.
    limit.trim().parse().ok()
}

/// The line of version 2 reads `0::/path`.
fn limit_file(groups: &str) -> Option<PathBuf> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(group).join("memory.max"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: usize = 3 * 1024 * KIB;
    const NONE: Tunnels = Tunnels { service: false, broker: false };

    #[test]
    fn the_parts_add_up_to_the_whole() {
        for (kib, spool) in [(8192, false), (65535, false), (8192, true), (262_144, true), (4_000_000, false)] {
            let plan = Plan::new(kib * KIB, PROGRAM, NONE, spool).unwrap();
            let parts = plan.program + plan.runtime + plan.service + plan.broker + plan.spool + plan.arena;
            assert_eq!(parts, kib * KIB);
            assert_eq!(plan.spool > 0, spool);
        }
    }

    #[test]
    fn too_small_a_size_is_answered_with_the_least_that_works() {
        let TooSmall { least, .. } = Plan::new(1000 * KIB, PROGRAM, NONE, false).unwrap_err();
        assert!(Plan::new(least * KIB, PROGRAM, NONE, false).is_ok());
        assert_eq!(Plan::new((least - 1) * KIB, PROGRAM, NONE, false), Err(TooSmall { given: least - 1, least }));
    }

    #[test]
    fn more_memory_never_means_a_smaller_packet_and_a_smaller_arena_only_for_another_connection() {
        let least = least(PROGRAM, NONE, false);
        let plans: Vec<_> =
            (0..2000).map(|step| Plan::new(least + step * 64 * KIB, PROGRAM, NONE, false).unwrap()).collect();
        assert!(plans.is_sorted_by_key(|plan| plan.packet));
        assert!(plans.iter().all(|plan| plan.arena >= ARENA_BYTES));
        let as_many_connections = plans.chunk_by(|one, next| one.connections == next.connections);
        assert!(as_many_connections.map(<[Plan]>::to_vec).all(|plans| plans.is_sorted_by_key(|plan| plan.arena)));
    }

    #[test]
    fn tls_with_a_proxy_is_paid_for_by_each_connection() {
        // So much that nothing else depends on what is left.
        let plan = |tunnels| Plan::new(262_144 * KIB, PROGRAM, tunnels, false).unwrap();
        let (without, with) = (plan(NONE), plan(Tunnels { service: true, broker: true }));
        assert_eq!(with.service - without.service, without.connections * limits::TLS);
        assert_eq!(with.broker - without.broker, limits::TLS);
        assert_eq!(without.arena - with.arena, (without.connections + 1) * limits::TLS);
    }

    #[test]
    fn the_program_is_found_in_the_map_of_the_process() {
        assert!(program_bytes() > 100 * KIB);
        assert!(mapped_file("7f00-7f80 r-xp 0 00:00 0 [vdso]").is_none());
        let mapped = mapped_file("1000-3000 r-xp 00001000 fe:00 1234 /usr/bin/x").unwrap();
        assert_eq!((mapped.start, mapped.bytes, mapped.permissions), (0x1000, 0x2000, "r-xp"));
        let here = the_program_is_found_in_the_map_of_the_process as fn() as usize;
        assert!(program_code().iter().any(|(start, bytes)| (*start..start + bytes).contains(&here)));
    }

    #[test]
    fn less_memory_than_planned_is_reported_with_both_figures() {
        let plan = Plan::new(65_535 * KIB, PROGRAM, NONE, false).unwrap();
        let kernel = plan.with_kernel() / KIB;
        assert_eq!(short(&plan, Some(65_535), Some(plan.with_kernel())), []);
        assert_eq!(short(&plan, None, None), []);
        let machine = Short::Machine { given: 65_534, needed: 65_535 };
        let service = Short::Service { given: 65_535, needed: kernel };
        assert_eq!(short(&plan, Some(65_534), Some(65_535 * KIB)), [machine, service]);
        assert_eq!(total("MemTotal:         123456 kB\nMemFree:  1 kB\n"), Some(123_456));
        assert!(total(&fs::read_to_string("/proc/meminfo").unwrap()).is_some_and(|kib| kib > 1000));
    }

    #[test]
    fn the_limit_of_the_service_is_found_by_its_control_group() {
        let file = PathBuf::from("/sys/fs/cgroup/system.slice/firehose-connector.service/memory.max");
        assert_eq!(limit_file("4:memory:/x\n0::/system.slice/firehose-connector.service\n"), Some(file));
        assert_eq!(limit_file("0::/\n"), Some(PathBuf::from("/sys/fs/cgroup/memory.max")));
        assert_eq!(limit_file("4:memory:/x\n"), None);
    }
}
