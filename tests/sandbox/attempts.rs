//! What is tried, and which layer refuses it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use firehose_connector::spool::disk::Directory;
use firehose_connector::spool::format::Name;
use firehose_connector::spool::operation::{Fault, Storage as _};
use libc::c_long;

#[cfg(target_pointer_width = "64")]
use crate::system::limited_from_afar;
use crate::system::{
    Attempt, asked_again, call, commanded, connected, long, map, option, sent_to, socket, text, turn_into_code,
};

/// A port that the connector needs, where nobody listens.
pub(crate) const OPEN_PORT: u16 = 1;
const OTHER_PORT: u16 = 2;

/// `F_SETSIG` and `IPPROTO_SMC` of Linux; the libc crate has them for some C libraries only.
const F_SETSIG: libc::c_int = 10;
const IPPROTO_SMC: libc::c_int = 256;

/// Which layer refuses an attempt.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// Landlock, from this version on.
    Files(u8),
    /// The filter of system calls.
    Calls,
    /// Either, Landlock from this version on.
    Both(u8),
}

/// Works before, and is refused after.
pub(crate) fn tried_twice(inside: &Path, outside: &Path, other: u32) -> Vec<(&'static str, By, Attempt)> {
    let new = inside.with_extension("new");
    let elsewhere = outside.with_extension("new");
    let listener = inside.with_extension("socket");
    vec![
        ("read a file in another folder", By::Files(1), File::open(outside).map(drop)),
        ("read another folder", By::Files(1), fs::read_dir("/var").map(drop)),
        ("list the files with settings", By::Files(1), fs::read_dir(inside.with_file_name("")).map(drop)),
        ("open a device", By::Files(1), File::open("/dev/zero").map(drop)),
        ("connect to another port", By::Files(4), connected(OTHER_PORT)),
        ("write to a file with settings", By::Both(1), OpenOptions::new().write(true).open(inside).map(drop)),
        ("make a file beside the settings", By::Both(1), File::create(&new).map(drop)),
        ("rename it", By::Both(1), fs::rename(&new, inside.with_extension("old"))),
        ("remove it", By::Both(1), fs::remove_file(inside.with_extension("old"))),
        ("make a link", By::Both(1), std::os::unix::fs::symlink(inside, &new).and_then(|()| fs::remove_file(&new))),
        (
            "make a file in another folder",
            By::Both(1),
            File::create(&elsewhere).and_then(|_| fs::remove_file(&elsewhere)),
        ),
        ("make a folder", By::Both(1), fs::create_dir(&elsewhere).and_then(|()| fs::remove_dir(&elsewhere))),
        ("truncate a file", By::Both(3), call(libc::SYS_truncate, &[text(inside), 0])),
        ("start a program", By::Both(1), Command::new("/bin/sh").args(["-c", ":"]).status().map(drop)),
        ("signal another process", By::Both(6), call(libc::SYS_kill, &[long(other), 0])),
        ("signal a thread of another process", By::Both(6), call(libc::SYS_tgkill, &[long(other), long(other), 0])),
        ("signal any thread", By::Both(6), call(libc::SYS_tkill, &[long(other), 0])),
        (
            "change who may read a file",
            By::Calls,
            call(libc::SYS_fchmodat, &[libc::AT_FDCWD.into(), text(inside), 0o600]),
        ),
        ("make code in a file of memory", By::Calls, call(libc::SYS_memfd_create, &[text("x"), 0])),
        ("map memory for code", By::Calls, map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)),
        ("turn memory into code", By::Calls, turn_into_code()),
        ("talk with the kernel about networks", By::Calls, socket(libc::AF_NETLINK, libc::SOCK_DGRAM, 0)),
        ("connect to another port by sending", By::Calls, sent_to(OTHER_PORT)),
        ("reach another program by its socket", By::Calls, UnixStream::connect(listener).map(drop)),
        ("send to another program's socket", By::Calls, UnixDatagram::unbound().map(drop)),
        ("make a pair of sockets that can be connected elsewhere", By::Calls, UnixDatagram::pair().map(drop)),
        ("have another process signalled", By::Calls, commanded(libc::F_SETOWN, long(other))),
        ("reuse an address", By::Calls, option(libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_u32.to_ne_bytes())),
        ("change how a connection goes on", By::Calls, option(libc::IPPROTO_TCP, libc::TCP_CONGESTION, b"reno")),
        ("choose the signal", By::Calls, commanded(F_SETSIG, libc::SIGTERM.into())),
        ("have it sent when something comes", By::Calls, commanded(libc::F_SETFL, libc::O_ASYNC.into())),
        ("read another process's limits", By::Calls, call(libc::SYS_prlimit64, &[long(other), 0, 0, 0])),
        #[cfg(target_pointer_width = "64")]
        ("set a limit from an address with an empty half", By::Calls, limited_from_afar()),
    ]
}

/// Refused after; before, it would do harm or need rights.
pub(crate) fn tried_confined(inside: &Path, other: u32) -> Vec<(&'static str, Attempt)> {
    vec![
        ("read the environment of process 1", File::open("/proc/1/environ").map(drop)),
        ("read memory of another process", File::open(format!("/proc/{other}/mem")).map(drop)),
        ("trace another process", call(libc::SYS_ptrace, &[libc::PTRACE_ATTACH.into(), long(other)])),
        ("become another program", call(libc::SYS_execve, &[text("/bin/sh"), 0, 0])),
        ("make a process", call(libc::SYS_clone, &[libc::SIGCHLD.into()])),
        ("become root", call(libc::SYS_setuid, &[0])),
        ("take capabilities", call(libc::SYS_capset, &[0, 0])),
        ("mount", call(libc::SYS_mount, &[text("none"), text("/mnt"), text("tmpfs"), 0, 0])),
        ("change the root of files", call(libc::SYS_chroot, &[text(inside)])),
        ("leave namespaces", call(libc::SYS_unshare, &[libc::CLONE_NEWUSER.into()])),
        ("load a module", call(libc::SYS_init_module, &[0, 0, text("")])),
        ("load a program into the kernel", call(libc::SYS_bpf, &[0, 0, 0])),
        ("watch the processor", call(libc::SYS_perf_event_open, &[0, 0, -1, -1, 0])),
        ("use keys of the kernel", call(libc::SYS_keyctl, &[])),
        ("set the clock", call(libc::SYS_settimeofday, &[])),
        ("restart the machine", call(libc::SYS_reboot, &[])),
        ("raise a limit", call(libc::SYS_prlimit64, &[0, libc::RLIMIT_NOFILE as c_long, text("0123456789abcdef"), 0])),
        ("use io_uring", call(libc::SYS_io_uring_setup, &[1, 0])),
        ("handle page faults", call(libc::SYS_userfaultfd, &[])),
        ("listen on a port", TcpListener::bind(("127.0.0.1", 0)).map(drop)),
        ("use TCP of several ways", socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)),
        ("use TCP by shared memory", socket(libc::AF_INET6, libc::SOCK_STREAM, IPPROTO_SMC)),
        ("use SCTP", socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP)),
        ("send pings", socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP)),
        ("make up packets", socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_UDP)),
        ("see packets of others", socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0)),
        ("talk with the hypervisor", socket(libc::AF_VSOCK, libc::SOCK_DGRAM, 0)),
        ("use the kernel's ciphers", socket(libc::AF_ALG, libc::SOCK_DGRAM, 0)),
    ]
}

/// What the connector goes on doing.
pub(crate) fn needed(inside: &Path) -> Vec<(&'static str, Attempt)> {
    let ask = || UdpSocket::bind(("127.0.0.1", 0))?.send_to(b"?", ("127.0.0.1", 53)).map(drop);
    let thread = std::thread::Builder::new().spawn(|| std::thread::sleep(Duration::from_millis(1)));
    vec![
        ("read a file with settings", File::open(inside).map(drop)),
        ("read how names are looked up", fs::read("/etc/passwd").map(drop)),
        ("connect to a port of a peer", connected(OPEN_PORT)),
        ("ask a name server", ask()),
        ("ask it again for a long answer", asked_again(OPEN_PORT)),
        ("make a thread", thread.and_then(|thread| thread.join().map_err(|_| io::Error::other("it panicked")))),
        ("see where a link leads", not_a_link(fs::read_link(inside))),
        ("read a limit", call(libc::SYS_prlimit64, &[0, libc::RLIMIT_NOFILE as c_long, 0, 0])),
        ("make a pair of sockets for signals", UnixStream::pair().map(drop)),
        ("look for a peer that is gone", option(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, &9_u32.to_ne_bytes())),
        ("learn that nobody answers", option(libc::IPPROTO_IP, libc::IP_RECVERR, &1_u32.to_ne_bytes())),
        ("read a socket without waiting", commanded(libc::F_SETFL, libc::O_NONBLOCK.into())),
        ("take memory", map(libc::PROT_READ | libc::PROT_WRITE)),
    ]
}

/// What it goes on doing with a spool, by the code that does it.
pub(crate) fn kept(spool: &Path) -> Vec<(&'static str, Attempt)> {
    let (mut directory, name) = (Directory::new(spool.to_owned()), Name { number: 1, salt: 2 });
    let attempt = |result: Result<(), Fault>| result.map_err(|Fault(number)| io::Error::from_raw_os_error(number));
    vec![
        ("make a file in the spool", attempt(directory.create(name, 8192))),
        ("write to it", attempt(directory.write(name, 100, b"bytes").and_then(|()| directory.sync(name)))),
        ("list and sync the spool", attempt(directory.list().map(drop).and_then(|()| directory.sync_directory()))),
        ("read a file of it", attempt(directory.read(name, 100, &mut [0; 5]).map(drop))),
        ("remove it", attempt(directory.delete(name))),
    ]
}

/// That it is none is what it comes to if it may be asked.
fn not_a_link(read: io::Result<std::path::PathBuf>) -> Attempt {
    read.map(drop).or_else(|error| if error.kind() == io::ErrorKind::InvalidInput { Ok(()) } else { Err(error) })
}
