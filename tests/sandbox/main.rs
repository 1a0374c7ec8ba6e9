//! Confines itself as the connector does, then tries what somebody would who has taken the process over:
//!
//!     sandbox-probe [FOLDER]
//!
//! FOLDER counts as one of those with settings. A line for each attempt. Most of what is refused afterwards is tried before,
//! too, and has to work then. Exit status 1 if anything is other than it should be.

#![allow(unsafe_code, reason = "it makes system calls that no safe library offers")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::ptr::null_mut;
use std::time::Duration;

use firehose_connector::sandbox::{Needs, confine};
use libc::{c_int, c_long, c_void};

/// What an attempt came to.
type Attempt = io::Result<()>;

/// A port that [`Needs`] has, where nobody listens.
const OPEN_PORT: u16 = 1;
const OTHER_PORT: u16 = 2;

fn main() -> ExitCode {
    let settings = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let inside = settings.join("sandbox-probe.inside");
    let outside = PathBuf::from(format!("/var/tmp/sandbox-probe.{}", std::process::id()));
    // A process that is another's; it ends with this one.
    let other = Command::new("/bin/sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn();
    let prepared = fs::write(&inside, "secret").and_then(|()| fs::write(&outside, "secret"));
    let (Ok(other), Ok(())) = (other, prepared) else {
        println!("cannot prepare a process, {} and {}", inside.display(), outside.display());
        return ExitCode::FAILURE;
    };
    let mut told = Told::default();
    told.all(tried_twice(&inside, &outside, other.id()), Expected::Works);
    let confined = confine(&Needs { folders: vec!["/etc".into(), settings], ports: vec![OPEN_PORT] });
    println!("isolation {confined}");
    let ports = if confined.to_string().contains("TCP ports") {
        println!("here nothing keeps it from other ports of others");
        Expected::Works
    } else {
        Expected::Refused
    };
    told.all(tried_twice(&inside, &outside, other.id()), Expected::Refused);
    told.all(tried_confined(&inside, other.id()), Expected::Refused);
    told.all(vec![("connect to another port", connected(OTHER_PORT))], ports);
    told.all(needed(&inside), Expected::Works);
    ExitCode::from(u8::from(told.wrong))
}

type Attempts = Vec<(&'static str, Attempt)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Works,
    Refused,
}

#[derive(Default)]
struct Told {
    wrong: bool,
}

impl Told {
    fn all(&mut self, attempts: Attempts, expected: Expected) {
        for (what, attempt) in attempts {
            let is_right = (expected == Expected::Works) == attempt.is_ok();
            self.wrong |= !is_right;
            let verdict = if is_right { "" } else { "WRONG: " };
            match attempt {
                Ok(()) => println!("{verdict}works    {what}"),
                Err(error) => println!("{verdict}refused  {what}: {error}"),
            }
        }
    }
}

/// Works before, and is refused after.
fn tried_twice(inside: &Path, outside: &Path, other: u32) -> Attempts {
    let new = inside.with_extension("new");
    let elsewhere = outside.with_extension("new");
    vec![
        ("read a file in another folder", File::open(outside).map(drop)),
        ("read another folder", fs::read_dir("/var").map(drop)),
        ("open a device", File::open("/dev/zero").map(drop)),
        ("write to a file with settings", OpenOptions::new().write(true).open(inside).map(drop)),
        ("make a file beside the settings", File::create(&new).map(drop)),
        ("rename it", fs::rename(&new, inside.with_extension("old"))),
        ("remove it", fs::remove_file(inside.with_extension("old"))),
        ("make a link", std::os::unix::fs::symlink(inside, &new).and_then(|()| fs::remove_file(&new))),
        ("make a file in another folder", File::create(&elsewhere).and_then(|_| fs::remove_file(&elsewhere))),
        ("make a folder", fs::create_dir(&elsewhere).and_then(|()| fs::remove_dir(&elsewhere))),
        ("truncate a file", call(libc::SYS_truncate, &[text(inside), 0])),
        ("change who may read a file", call(libc::SYS_fchmodat, &[libc::AT_FDCWD.into(), text(inside), 0o600])),
        ("start a program", Command::new("/bin/sh").args(["-c", ":"]).status().map(drop)),
        ("signal another process", call(libc::SYS_kill, &[long(other), 0])),
        ("signal a thread of another process", call(libc::SYS_tgkill, &[long(other), long(other), 0])),
        ("signal any thread", call(libc::SYS_tkill, &[long(other), 0])),
        ("make code in a file of memory", call(libc::SYS_memfd_create, &[text("x"), 0])),
        ("map memory for code", map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)),
        ("turn memory into code", turn_into_code()),
        ("talk with the kernel about networks", socket(libc::AF_NETLINK)),
    ]
}

/// Refused after; before, it would do harm or need rights.
fn tried_confined(inside: &Path, other: u32) -> Attempts {
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
        ("see packets of others", socket(libc::AF_PACKET)),
        ("talk with the hypervisor", socket(libc::AF_VSOCK)),
        ("use the kernel's ciphers", socket(libc::AF_ALG)),
    ]
}

/// What the connector goes on doing.
fn needed(inside: &Path) -> Attempts {
    let ask = || UdpSocket::bind(("127.0.0.1", 0))?.send_to(b"?", ("127.0.0.1", 53)).map(drop);
    let thread = std::thread::Builder::new().spawn(|| std::thread::sleep(Duration::from_millis(1)));
    vec![
        ("read a file with settings", File::open(inside).map(drop)),
        ("read how names are looked up", fs::read("/etc/passwd").map(drop)),
        ("connect to a port of a peer", connected(OPEN_PORT)),
        ("ask a name server", ask()),
        ("make a thread", thread.and_then(|thread| thread.join().map_err(|_| io::Error::other("it panicked")))),
        ("take memory", map(libc::PROT_READ | libc::PROT_WRITE)),
    ]
}

/// That nobody listens is what it comes to if it may be tried.
fn connected(port: u16) -> Attempt {
    match TcpStream::connect(("127.0.0.1", port)) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        _ => Ok(()),
    }
}

fn call(number: c_long, arguments: &[c_long]) -> Attempt {
    let argument = |index| arguments.get(index).copied().unwrap_or_default();
    // SAFETY: pointers among the arguments are those of `text`; a call that is refused looks at none of them, and one that is
    // allowed has failed the test.
    let result = unsafe { libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4)) };
    // The child of a call that should not have made one.
    if number == libc::SYS_clone && result == 0 {
        std::process::abort();
    }
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A C string that stays.
fn text(text: impl AsRef<Path>) -> c_long {
    let text = CString::new(text.as_ref().as_os_str().as_encoded_bytes()).unwrap_or_default();
    text.into_raw() as c_long
}

fn long(number: u32) -> c_long {
    number.cast_signed().into()
}

fn socket(family: c_int) -> Attempt {
    // SAFETY: makes a socket or does not.
    if unsafe { libc::socket(family, libc::SOCK_DGRAM, 0) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn map(protection: c_int) -> Attempt {
    // SAFETY: new memory, never looked at.
    let at = unsafe { libc::mmap(null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn turn_into_code() -> Attempt {
    let memory: *mut c_void = {
        // SAFETY: as in `map`.
        unsafe {
            libc::mmap(
                null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        }
    };
    // SAFETY: memory that nobody else has.
    if unsafe { libc::mprotect(memory, 4096, libc::PROT_READ | libc::PROT_EXEC) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
