//! seccomp: allows the system calls that the program makes, and no others.
//!
//! Any other call fails with `ENOSYS`, as on a kernel that lacks it. C libraries have fallbacks for that, and a device
//! that nobody visits goes on and logs what failed; killing the process instead would restart it again and again. Only
//! a call in the format of another architecture ends the process.
//!
//! `scripts/syscalls` collected the lists from the whole test suite, for each architecture and C library.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// On every architecture and with every C library.
const CALLS: [c_long; 51] = [
    // Connections, and how they are waited for.
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_ppoll,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    // Files that are open.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_statx,
    libc::SYS_write,
    libc::SYS_writev,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads and signals.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    // Time and random numbers.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    // Who and where.
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Calls of this architecture, in addition.
#[cfg(target_arch = "x86_64")]
const OWN: &[c_long] = &[
    libc::SYS_epoll_wait,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rseq,
    libc::SYS_stat,
];
/// Calls of this architecture, in addition.
#[cfg(target_arch = "aarch64")]
const OWN: &[c_long] = &[libc::SYS_fstat, libc::SYS_lseek, libc::SYS_newfstatat, libc::SYS_rseq];
/// Calls of this architecture, in addition. Those with 64-bit time have no names in the libc crate.
#[cfg(target_arch = "arm")]
const OWN: &[c_long] = &[
    libc::SYS__llseek,
    libc::SYS_epoll_wait,
    libc::SYS_fstat64,
    libc::SYS_fstatat64,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_recv,
    libc::SYS_sigreturn,
    libc::SYS_stat64,
    CLOCK_GETTIME64,
    407, // clock_nanosleep_time64
    414, // ppoll_time64
    422, // futex_time64
];
#[cfg(target_arch = "arm")]
const CLOCK_GETTIME64: c_long = 403;

/// The number of an argument, which of its bits count, and what these must be.
type Condition = (u8, u64, u64);

/// Calls that are allowed with some arguments only: all conditions of one line of the call must hold.
///
/// A filter sees the numbers in the arguments, not the memory that they point to. So it cannot tell where a datagram
/// goes, or which path is opened.
const WITH_ARGUMENTS: &[(c_long, &[Condition])] = &[
    // TCP, and UDP for name servers. Not TCP under other names (`IPPROTO_MPTCP`, `IPPROTO_SMC`), which bypasses
    // Landlock. The socket to the service manager exists already.
    (libc::SYS_socket, &[is(0, libc::AF_INET), kind(libc::SOCK_STREAM), is(2, 0)]),
    (libc::SYS_socket, &[is(0, libc::AF_INET), kind(libc::SOCK_STREAM), is(2, libc::IPPROTO_TCP)]),
    (libc::SYS_socket, &[is(0, libc::AF_INET), kind(libc::SOCK_DGRAM), is(2, 0)]),
    (libc::SYS_socket, &[is(0, libc::AF_INET), kind(libc::SOCK_DGRAM), is(2, libc::IPPROTO_UDP)]),
    (libc::SYS_socket, &[is(0, libc::AF_INET6), kind(libc::SOCK_STREAM), is(2, 0)]),
    (libc::SYS_socket, &[is(0, libc::AF_INET6), kind(libc::SOCK_STREAM), is(2, libc::IPPROTO_TCP)]),
    (libc::SYS_socket, &[is(0, libc::AF_INET6), kind(libc::SOCK_DGRAM), is(2, 0)]),
    (libc::SYS_socket, &[is(0, libc::AF_INET6), kind(libc::SOCK_DGRAM), is(2, libc::IPPROTO_UDP)]),
    // For signals. Not a pair of datagram sockets, which could be connected to another program.
    (libc::SYS_socketpair, &[is(0, libc::AF_UNIX), kind(libc::SOCK_STREAM)]),
    // Not with `MSG_FASTOPEN`, which opens a connection by sending: Landlock checks only `connect`. C libraries have a
    // fallback.
    (libc::SYS_sendto, &[none_but(3, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)]),
    (libc::SYS_sendmsg, &[none_but(2, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)]),
    (libc::SYS_sendmmsg, &[none_but(3, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)]),
    #[cfg(target_arch = "arm")]
    (libc::SYS_send, &[none_but(3, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)]),
    // Sizes and signs of life, and what the resolvers of C libraries set. Some others turn a connection into something
    // else (`TCP_ULP`), or load a program into the kernel (`SO_ATTACH_BPF`).
    (libc::SYS_setsockopt, &[is(1, libc::SOL_SOCKET), is(2, libc::SO_SNDBUF)]),
    (libc::SYS_setsockopt, &[is(1, libc::SOL_SOCKET), is(2, libc::SO_RCVBUF)]),
    (libc::SYS_setsockopt, &[is(1, libc::SOL_SOCKET), is(2, libc::SO_KEEPALIVE)]),
    (libc::SYS_setsockopt, &[is(1, libc::SOL_SOCKET), is(2, libc::SO_LINGER)]),
    // Those up to 7: `TCP_NODELAY`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, and like ones.
    (libc::SYS_setsockopt, &[is(1, libc::IPPROTO_TCP), none_but(2, 7)]),
    (libc::SYS_setsockopt, &[is(1, libc::IPPROTO_IP), is(2, libc::IP_RECVERR)]),
    (libc::SYS_setsockopt, &[is(1, libc::IPPROTO_IPV6), is(2, libc::IPV6_RECVERR)]),
    (libc::SYS_setsockopt, &[is(1, libc::IPPROTO_IPV6), is(2, libc::IPV6_V6ONLY)]),
    // Threads, not processes. `clone3` has its flags in memory, where a filter does not see them; C libraries fall back
    // to `clone`.
    (libc::SYS_clone, &[(0, bits(libc::CLONE_THREAD), bits(libc::CLONE_THREAD))]),
    // No file is written or created, even without Landlock.
    (libc::SYS_openat, &[none_of(2, WRITES)]),
    #[cfg(not(target_arch = "aarch64"))]
    (libc::SYS_open, &[none_of(1, WRITES)]),
    // `TCGETS` and `TIOCGWINSZ`, to see whether output is a terminal, `FIONBIO`, `FIOCLEX`, and `SIOCGIFINDEX` for the
    // interface of a name server (`fe80::1%eth0`). As numbers, because each C library gives them other types.
    (libc::SYS_ioctl, &[is(1, 0x5401)]),
    (libc::SYS_ioctl, &[is(1, 0x5413)]),
    (libc::SYS_ioctl, &[is(1, 0x5421)]),
    (libc::SYS_ioctl, &[is(1, 0x5451)]),
    (libc::SYS_ioctl, &[is(1, 0x8933)]),
    // Nothing by which events of a file or socket would signal another process (`F_SETOWN`, `F_SETSIG`, `O_ASYNC`).
    (FCNTL, &[is(1, libc::F_DUPFD)]),
    (FCNTL, &[is(1, libc::F_DUPFD_CLOEXEC)]),
    (FCNTL, &[is(1, libc::F_GETFD)]),
    (FCNTL, &[is(1, libc::F_SETFD)]),
    (FCNTL, &[is(1, libc::F_GETFL)]),
    (FCNTL, &[is(1, libc::F_SETFL), none_of(2, libc::O_ASYNC)]),
    (libc::SYS_prctl, &[is(0, libc::PR_SET_NAME)]),
    // Limits of this process are read, not set: the address of the new limit has to be null.
    (libc::SYS_prlimit64, &[is(0, 0), (2, u64::MAX, 0)]),
    (libc::SYS_mprotect, &[none_of(2, libc::PROT_EXEC)]),
    (MMAP, &[none_of(2, libc::PROT_EXEC)]),
];

/// To the nucleus of Greengrass. A filter does not see the path; who may connect to a socket is said by its permissions.
const UNIX: &[Condition] = &[is(0, libc::AF_UNIX), kind(libc::SOCK_STREAM), is(2, 0)];

const WRITES: c_int = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;

/// The argument is `value`. It is an `int`, so only the lower half of its register counts, as for the kernel.
const fn is(argument: u8, value: c_int) -> Condition {
    (argument, bits(-1), bits(value))
}

/// None of the `flags` is set.
const fn none_of(argument: u8, flags: c_int) -> Condition {
    (argument, bits(flags), 0)
}

/// No flag is set but those of `flags`.
const fn none_but(argument: u8, flags: c_int) -> Condition {
    none_of(argument, !flags)
}

/// The type of a socket, with or without the flags that go with it.
const fn kind(kind: c_int) -> Condition {
    (1, bits(!(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)), bits(kind))
}

const fn bits(value: c_int) -> u64 {
    value.cast_unsigned() as u64
}

#[cfg(not(target_arch = "arm"))]
const FCNTL: c_long = libc::SYS_fcntl;
#[cfg(target_arch = "arm")]
const FCNTL: c_long = libc::SYS_fcntl64;
#[cfg(not(target_arch = "arm"))]
const MMAP: c_long = libc::SYS_mmap;
#[cfg(target_arch = "arm")]
const MMAP: c_long = libc::SYS_mmap2;

/// Calls of the spool's thread on its files, in addition.
const SPOOL: &[c_long] = &[
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_getdents64,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_unlinkat,
    #[cfg(not(target_arch = "arm"))]
    libc::SYS_ftruncate,
    #[cfg(target_arch = "arm")]
    libc::SYS_ftruncate64,
];

/// Makes the kernel refuse all other calls, of this thread and of those it starts. With a `spool`, files may be written
/// and created; with `unix`, Unix sockets may be connected to.
///
/// # Errors
/// The kernel has no seccomp filters, or refuses this one.
pub fn restrict(spool: bool, unix: bool) -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter(&filter(spool, unix)?)
}

#[allow(clippy::useless_conversion, reason = "numbers of calls are shorter on 32-bit architectures")]
fn filter(spool: bool, unix: bool) -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let spool = if spool { SPOOL } else { &[] };
    let free = CALLS.iter().chain(OWN).chain(spool).map(|call| (*call, &[][..]));
    let own_threads = (libc::SYS_tgkill, &[is(0, std::process::id().cast_signed())][..]);
    let limited = WITH_ARGUMENTS.iter().copied().filter(|(call, _)| !spool.contains(call));
    let nucleus = unix.then_some((libc::SYS_socket, UNIX));
    for (call, conditions) in limited.chain([own_threads]).chain(nucleus).chain(free) {
        let rules = rules.entry(i64::from(call)).or_default();
        let conditions = conditions.iter().map(|(argument, mask, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(*mask), *value)
        });
        let conditions: Vec<_> = conditions.collect::<Result<_, _>>()?;
        if !conditions.is_empty() {
            rules.push(SeccompRule::new(conditions)?);
        }
    }
    let refuse = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let program: BpfProgram = SeccompFilter::new(rules, refuse, SeccompAction::Allow, ARCHITECTURE)?.try_into()?;
    Ok(for_this_architecture(program))
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// Makes a filter one for 32-bit ARM, which seccompiler does not know. It differs from that of other little-endian
/// architectures only by the architecture's number, `AUDIT_ARCH_ARM` of `linux/audit.h`, in the second instruction.
#[cfg(target_arch = "arm")]
fn for_this_architecture(mut program: BpfProgram) -> BpfProgram {
    const AUDIT_ARCH_ARM: u32 = 0x4000_0028;
    if let Some(instruction) = program.get_mut(1) {
        instruction.k = AUDIT_ARCH_ARM;
    }
    program
}
#[cfg(not(target_arch = "arm"))]
const fn for_this_architecture(program: BpfProgram) -> BpfProgram {
    program
}
