//! seccomp: the system calls that the program makes, and no others.
//!
//! Another call gets `ENOSYS`, as from a kernel that does not have it: C libraries know how to do without, and a program that
//! nobody visits goes on and says what failed, where a kill would make it end again and again. A call in the format of another
//! architecture ends the process.
//!
//! The lists were collected by `scripts/syscalls` from the whole test suite, for each architecture and C library.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// On every architecture and with every C library.
const CALLS: [c_long; 52] = [
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
    libc::SYS_setsockopt,
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
    // Time and chance.
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

/// What one architecture has beside or instead of these.
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
/// What one architecture has beside or instead of these.
#[cfg(target_arch = "aarch64")]
const OWN: &[c_long] = &[libc::SYS_fstat, libc::SYS_lseek, libc::SYS_newfstatat, libc::SYS_rseq];
/// What one architecture has beside or instead of these. Those with 64-bit time have no names in the libc crate.
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

/// The number of an argument, how much of it counts, and what that must be.
type Condition = (u8, SeccompCmpArgLen, SeccompCmpOp, u64);

/// Calls that are made with some arguments only: all conditions of one of the lists must hold.
///
/// A filter sees numbers, not what an address points to: whom a datagram goes to, or which path is opened, is not among them.
fn with_arguments() -> Vec<(c_long, Vec<Vec<Condition>>)> {
    let any_of = |argument, values: &[c_int]| values.iter().map(|value| vec![is(argument, *value)]).collect();
    let none_of = |argument, flags: c_int| vec![vec![masked(argument, flags, 0)]];
    // A connection that is opened by sending (`MSG_FASTOPEN`) passes by Landlock, which looks at `connect`. C libraries know
    // how to do without.
    let sends = |argument| none_of(argument, !(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT));
    // No file is written or made, also where there is no Landlock.
    let writes = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
    vec![
        (libc::SYS_socket, sockets()),
        // Signals. A pair of datagram sockets could be connected elsewhere.
        (libc::SYS_socketpair, vec![vec![is(0, libc::AF_UNIX), masked(1, !SOCKET_FLAGS, libc::SOCK_STREAM)]]),
        (libc::SYS_sendto, sends(3)),
        (libc::SYS_sendmsg, sends(2)),
        (libc::SYS_sendmmsg, sends(3)),
        #[cfg(target_arch = "arm")]
        (libc::SYS_send, sends(3)),
        // Threads, not processes. `clone3` hides what it is told, and is done without.
        (libc::SYS_clone, vec![vec![masked(0, libc::CLONE_THREAD, libc::CLONE_THREAD)]]),
        (libc::SYS_tgkill, vec![vec![is(0, std::process::id().cast_signed())]]),
        (libc::SYS_openat, none_of(2, writes)),
        (libc::SYS_ioctl, any_of(1, &IOCTLS)),
        (FCNTL, descriptors()),
        (libc::SYS_prctl, any_of(0, &[libc::PR_SET_NAME])),
        // Limits are read, not set, and no other process's: of the new one's address no bit may be set.
        (libc::SYS_prlimit64, vec![vec![is(0, 0), (2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)]]),
        (libc::SYS_mprotect, none_of(2, libc::PROT_EXEC)),
        (MMAP, none_of(2, libc::PROT_EXEC)),
        #[cfg(not(target_arch = "aarch64"))]
        (libc::SYS_open, none_of(1, writes)),
    ]
}

/// TCP, and UDP for the sake of name servers. TCP under other names (`IPPROTO_MPTCP`, `IPPROTO_SMC`) passes by Landlock. The
/// socket to the service manager is there already.
fn sockets() -> Vec<Vec<Condition>> {
    let kinds = [(libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, libc::IPPROTO_UDP)];
    let families = [libc::AF_INET, libc::AF_INET6];
    let of_kind = |(kind, protocol)| families.map(|family| [0, protocol].map(|protocol| (family, kind, protocol)));
    let all = kinds.into_iter().flat_map(of_kind).flatten();
    all.map(|(family, kind, protocol)| vec![is(0, family), masked(1, !SOCKET_FLAGS, kind), is(2, protocol)]).collect()
}

/// Nobody is signalled when something happens to a file or socket (`F_SETOWN`, `F_SETSIG`, `O_ASYNC`).
fn descriptors() -> Vec<Vec<Condition>> {
    let commands = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL];
    let flags = vec![is(1, libc::F_SETFL), masked(2, libc::O_ASYNC, 0)];
    commands.into_iter().map(|command| vec![is(1, command)]).chain([flags]).collect()
}

/// Of an `int`, only the lower half of the register counts; the kernel looks at no more.
fn is(argument: u8, value: c_int) -> Condition {
    (argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, bits(value))
}

fn masked(argument: u8, mask: c_int, value: c_int) -> Condition {
    (argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits(mask)), bits(value))
}

/// What may be said of a socket beside its type.
const SOCKET_FLAGS: c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;

#[cfg(not(target_arch = "arm"))]
const FCNTL: c_long = libc::SYS_fcntl;
#[cfg(target_arch = "arm")]
const FCNTL: c_long = libc::SYS_fcntl64;
#[cfg(not(target_arch = "arm"))]
const MMAP: c_long = libc::SYS_mmap;
#[cfg(target_arch = "arm")]
const MMAP: c_long = libc::SYS_mmap2;

/// `TCGETS` and `TIOCGWINSZ`, to see whether output is a terminal, `FIONBIO`, `FIOCLEX`. They have other types in each C library.
const IOCTLS: [c_int; 4] = [0x5401, 0x5413, 0x5421, 0x5451];

/// Has the kernel refuse all other calls of this thread and of those that it starts.
///
/// # Errors
/// The kernel has no seccomp filters.
pub fn restrict() -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter(&filter()?)
}

#[allow(clippy::useless_conversion, reason = "numbers of calls are shorter on 32-bit architectures")]
fn filter() -> Result<BpfProgram, seccompiler::Error> {
    let free = CALLS.iter().chain(OWN).map(|call| (*call, Vec::new()));
    let mut rules: BTreeMap<_, _> = free.map(|(call, rules)| (i64::from(call), rules)).collect();
    for (call, lists) in with_arguments() {
        let lists = lists.into_iter().map(|conditions| {
            let conditions = conditions.into_iter().map(|(argument, length, comparison, value)| {
                SeccompCondition::new(argument, length, comparison, value)
            });
            SeccompRule::new(conditions.collect::<Result<_, _>>()?)
        });
        rules.insert(i64::from(call), lists.collect::<Result<_, _>>()?);
    }
    let refuse = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let program: BpfProgram = SeccompFilter::new(rules, refuse, SeccompAction::Allow, ARCHITECTURE)?.try_into()?;
    Ok(for_this_architecture(program))
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// seccompiler does not know 32-bit ARM, whose filters are those of other little-endian architectures but for the number that
/// names it: `AUDIT_ARCH_ARM` of `linux/audit.h`, in the second instruction.
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

fn bits(value: c_int) -> u64 {
    value.cast_unsigned().into()
}
