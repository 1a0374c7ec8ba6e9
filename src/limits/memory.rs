//! What parts of the process take that no bound above says. Measured, with some room, by
//! `tests/e2e/test_memory.py`.

use super::{credentials, spool};

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
/// Stack of a thread that resolves names, bytes; the resolver takes the most of it, 16 KiB with musl.
pub const THREAD_STACK: usize = if MUSL { 32 } else { 192 } * 1024;
/// Stack of a thread that resolves names and its share of the allocator, which glibc has for each thread, bytes.
pub const THREAD: usize = THREAD_STACK + if MUSL { 0 } else { 136 * 1024 };
/// One TLS connection: its state, a record each way, the certificates of the handshake, bytes.
pub const TLS: usize = 112 * 1024;
/// The parsed entries of the service's answer, bytes.
pub const REPLY_ENTRIES: usize = 64 * 1024;
/// What the kernel may hold for the process beyond its resident memory, bytes: unsent data of each connection
/// (2 x 128 KiB), its answers, up to 6 MiB received from the broker (`tcp_rmem`) while publishes are not read,
/// page tables, the program's file cache. An init that limits the memory of the service has to add it to `MemorySize`.
pub const KERNEL: usize = 16 * 1024 * 1024;
/// The spool's thread, what is known of each file and partial segment, a list of files, and what is being written,
/// bytes.
pub const SPOOL: usize = spool::THREAD_STACK
    + if MUSL { 0 } else { 136 * 1024 }
    + 128 * spool::FILES
    + 2 * spool::PARTIAL * (spool::ENTRIES as usize / 8)
    + 96 * 1024;
/// Memory that calls for one more connection to the service, bytes.
pub const PER_CONNECTION: usize = 5 * 1024 * 1024;
/// Share of the memory that a packet may have: one part in this many.
pub const PACKET_SHARE: usize = 16;
/// Share of the memory that a chunk of a request body may have: one part in this many.
pub const CHUNK_SHARE: usize = 256;
/// Share of the memory that a status message may have: one part in this many.
pub const STATUS_SHARE: usize = 64;
