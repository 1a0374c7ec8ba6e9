//! System calls that no safe library offers, and what they come to.

use std::ffi::CString;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::ptr::null_mut;

use libc::{c_int, c_long, c_void};

/// What an attempt came to.
pub(crate) type Attempt = io::Result<()>;

/// That nobody listens is what it comes to if it may be tried.
pub(crate) fn connected(port: u16) -> Attempt {
    nobody_listens(TcpStream::connect(("127.0.0.1", port)).map(drop))
}

fn nobody_listens(attempt: Attempt) -> Attempt {
    attempt.or_else(|error| if error.kind() == io::ErrorKind::ConnectionRefused { Ok(()) } else { Err(error) })
}

/// A connection that is opened by sending.
pub(crate) fn sent_to(port: u16) -> Attempt {
    let to = address(port);
    let length = length_of(&to);
    // SAFETY: the address is one, and outlives the call.
    let sent = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        libc::sendto(socket, c"?".as_ptr().cast(), 1, libc::MSG_FASTOPEN, (&raw const to).cast(), length)
    };
    nobody_listens(if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
}

/// As the resolver of musl asks again when an answer was cut short: it tries to connect by sending, then without.
pub(crate) fn asked_again(port: u16) -> Attempt {
    let socket = stream_with_fast_open();
    let to = address(port);
    let length = length_of(&to);
    // SAFETY: the address is one, and outlives the call.
    let connected = unsafe {
        let sent = libc::sendto(socket, c"?".as_ptr().cast(), 1, libc::MSG_FASTOPEN, (&raw const to).cast(), length);
        if sent >= 0 { sent } else { libc::connect(socket, (&raw const to).cast(), length) as isize }
    };
    nobody_listens(if connected < 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
}

fn stream_with_fast_open() -> c_int {
    let on: c_int = 1;
    // SAFETY: the number outlives the call.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        let length = length_of(&on);
        let option = (&raw const on).cast();
        // The resolver goes on without it, too.
        libc::setsockopt(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, option, length);
        socket
    }
}

/// An option of a new TCP socket.
pub(crate) fn option(level: c_int, name: c_int, value: &[u8]) -> Attempt {
    let length = libc::socklen_t::try_from(value.len()).unwrap_or_default();
    // SAFETY: the value outlives the call.
    let result = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        libc::setsockopt(socket, level, name, value.as_ptr().cast(), length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn length_of<T>(value: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(size_of_val(value)).unwrap_or_default()
}

fn address(port: u16) -> libc::sockaddr_in {
    // SAFETY: all bytes zero are an address.
    let mut to: libc::sockaddr_in = unsafe { core::mem::zeroed() };
    to.sin_family = libc::sa_family_t::try_from(libc::AF_INET).unwrap_or_default();
    to.sin_port = port.to_be();
    to.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
    to
}

/// Sets a limit to what it is, from an address whose lower half is zero.
#[cfg(target_pointer_width = "64")]
pub(crate) fn limited_from_afar() -> Attempt {
    let at = 0x1_0000_0000_usize as *mut c_void;
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
    // SAFETY: nothing else lies there: programs, heaps and stacks are far above.
    unsafe {
        if libc::mmap(at, 4096, protection, flags, -1, 0) != at || libc::getrlimit(libc::RLIMIT_NOFILE, at.cast()) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    call(libc::SYS_prlimit64, &[0, libc::RLIMIT_NOFILE as c_long, at as c_long, 0])
}

/// A socket of this type in a pair, with a command of `fcntl`.
pub(crate) fn commanded(command: c_int, argument: c_long) -> Attempt {
    let (socket, _other) = std::os::unix::net::UnixStream::pair()?;
    // SAFETY: the commands that are tried take a number.
    let result = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&socket), command, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn call(number: c_long, arguments: &[c_long]) -> Attempt {
    let argument = |index| arguments.get(index).copied().unwrap_or_default();
    // SAFETY: pointers among the arguments are those of `text`; a call that is refused looks at none of them, and one
    // that is allowed has failed the test.
    let result = unsafe { libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4)) };
    // The child of a call that should not have made one.
    if number == libc::SYS_clone && result == 0 {
        std::process::abort();
    }
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A C string that stays.
pub(crate) fn text(text: impl AsRef<Path>) -> c_long {
    let text = CString::new(text.as_ref().as_os_str().as_encoded_bytes()).unwrap_or_default();
    text.into_raw() as c_long
}

pub(crate) fn long(number: u32) -> c_long {
    number.cast_signed().into()
}

pub(crate) fn socket(family: c_int, kind: c_int, protocol: c_int) -> Attempt {
    // SAFETY: makes a socket or does not.
    if unsafe { libc::socket(family, kind, protocol) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn map(protection: c_int) -> Attempt {
    // SAFETY: new memory, never looked at.
    let at = unsafe { libc::mmap(null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn turn_into_code() -> Attempt {
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

/// The version of Landlock here; 0: there is none.
pub(crate) fn landlock() -> u8 {
    const CREATE_RULESET: c_long = 444;
    const VERSION: c_long = 1;
    // SAFETY: asks for a number.
    u8::try_from(unsafe { libc::syscall(CREATE_RULESET, 0, 0, VERSION) }).unwrap_or_default()
}
