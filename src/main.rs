//! The program: reads the command line, checks or runs, and reports errors. The library has the tour.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::FromRawFd as _;
use std::path::Path;
use std::process::ExitCode;

use firehose_connector::cli::{self, Command, UsageError, exit};
use firehose_connector::config::{self, LogFormat};
use firehose_connector::daemon::{self, RunError, signals};
use firehose_connector::prepare::{self, Ready};
use firehose_connector::{clock::Clock, error_chain::error_chain};
use firehose_connector::{doctor, foreign, log_output, memory};

fn main() -> ExitCode {
    // First of all: SIGUSR1 must not end a process that has no counters yet.
    hold_signals(signals::OTHERS);
    return_freed_memory();
    ExitCode::from(match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help(text)) => print(text),
        Ok(Command::Version) => print(cli::VERSION),
        Ok(Command::Run { definition }) => run(definition.as_deref()),
        Ok(Command::Check { definition, json: false, online: None }) => check(definition.as_deref()),
        Ok(Command::Check { definition, json, online }) => {
            let config = config::load(definition.as_deref(), std::env::vars_os());
            written(doctor::examine(config, json, online.as_ref(), &mut std::io::stdout()))
        }
        Err(error) => {
            if error == UsageError::NoCommand {
                complain(&format!("{}\n", cli::HELP));
            }
            complain(&lines(&error.to_string()));
            exit::USAGE
        }
    })
}

/// Blocks the signals in `set`, whose lowest bit is signal 1: they stay pending in the kernel until they are read.
#[expect(
    unsafe_code,
    reason = "a set with all signals of the kernel has no safe wrapper; no other thread is there yet"
)]
fn hold_signals(set: u64) {
    // SAFETY: the kernel reads the eight bytes of the set, and writes nothing.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            &raw const set,
            core::ptr::null::<u64>(),
            size_of::<u64>(),
        );
        // The write that causes them fails with an error, too.
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// A file from which the signals in `set` are read as they arrive (`signalfd(2)`).
///
/// # Errors
/// The kernel refuses it.
#[expect(unsafe_code, reason = "signalfd has no safe wrapper")]
fn signal_file(set: u64) -> std::io::Result<File> {
    // SAFETY: the kernel reads the eight bytes of the set; the file that it returns is owned by nothing else.
    unsafe {
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let file = libc::syscall(libc::SYS_signalfd4, -1, &raw const set, size_of::<u64>(), flags);
        match libc::c_int::try_from(file) {
            Ok(file) if file >= 0 => Ok(File::from_raw_fd(file)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// glibc keeps freed buffers for itself, the more the larger they were. Ours go back: a batch's buffers come and go
/// once in a publish interval. musl, in the images, does so by itself.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallopt has no safe wrapper; no other thread is there yet")]
fn return_freed_memory() {
    const BYTES: libc::c_int = 32 * 1024;
    // SAFETY: both take a number and change how the allocator works from here on, nothing else.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, BYTES);
    }
}

#[cfg(not(target_env = "gnu"))]
const fn return_freed_memory() {}

/// The number of a network interface, 0 if there is none of that name. musl's resolver asks for it where
/// /etc/resolv.conf names the interface of a name server (`fe80::1%eth0`); its own function does so by a socket of a
/// kind that isolation refuses.
#[cfg(target_env = "musl")]
#[expect(unsafe_code, reason = "the C library calls it by its name, with a name that ends with a zero")]
#[unsafe(no_mangle)]
extern "C" fn if_nametoindex(name: *const libc::c_char) -> libc::c_uint {
    use rustix::net::netdevice::name_to_index;
    use socket2::{Domain, Socket, Type};

    // SAFETY: the caller's name is readable up to its zero (POSIX), and stays so meanwhile.
    let name = unsafe { std::ffi::CStr::from_ptr(name) };
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None);
    let index = socket.ok().zip(name.to_str().ok()).map(|(socket, name)| name_to_index(socket, name));
    index.and_then(Result::ok).unwrap_or(0)
}

/// Gives the pages of program code back to the kernel: much of the code runs only at the start (reading the
/// configuration, setting up TLS, confining the process) and need not stay in memory. The kernel reads a page again,
/// from its cache or from the file, when it is next executed. `code` has address and length (bytes) of each mapping.
#[expect(unsafe_code, reason = "madvise has no safe wrapper for memory that it did not map")]
fn release_code_pages(code: &[(usize, usize)]) {
    for (start, length) in code {
        let start: *mut libc::c_void = std::ptr::with_exposed_provenance_mut(*start);
        // SAFETY: pages of a file that are executable and not writable hold nothing but what is in the file, so that
        // nobody sees that they were away. A refusal leaves them as they are.
        unsafe {
            libc::madvise(start, *length, libc::MADV_DONTNEED);
        }
    }
}

fn run(definition: Option<&Path>) -> u8 {
    let clock = Clock::default();
    let config = config::load(definition, std::env::vars_os());
    match &config {
        Ok(config) => log_output::install(&config.log, config.log_format, clock.clone()),
        Err(_) => {
            // It may be wrong, too, and is among the faults then.
            let format = std::env::var("FIREHOSE_CONNECTOR_LOG_FORMAT").ok();
            let format = format.and_then(|name| LogFormat::named(&name)).unwrap_or_default();
            log_output::install("info", format, clock.clone());
        }
    }
    let ready = match prepare::prepare(config, &clock) {
        Ok(ready) => ready,
        Err(faults) => {
            faults.iter().for_each(|fault| log_output::complain(&error_chain(fault)));
            return exit::CONFIG;
        }
    };
    // From here on something may be held that must not be lost.
    hold_signals(signals::ENDING);
    let signals = signal_file(signals::ENDING | signals::OTHERS);
    let code = memory::program_code();
    match daemon::run(ready, clock, signals, &|| release_code_pages(&code)) {
        Ok(()) => exit::OK,
        Err(error) => {
            log_output::complain(&error_chain(&error));
            match error {
                RunError::Expelled => exit::UNAVAILABLE,
                error if error.is_configuration() => exit::CONFIG,
                _ => exit::INTERNAL,
            }
        }
    }
}

fn check(definition: Option<&Path>) -> u8 {
    let clock = Clock::default();
    let ready = prepare::prepare(config::load(definition, std::env::vars_os()), &clock);
    let Ready { config, plan, .. } = match ready {
        Ok(ready) => ready,
        Err(faults) => {
            faults.iter().for_each(|fault| complain(&lines(&error_chain(fault))));
            return exit::CONFIG;
        }
    };
    let mut text = "the configuration is good\n".to_owned();
    for warning in prepare::warnings(&config, &plan, clock.wall()) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text.push_str(&format!("\n{}", prepare::summary(&config)));
    // Last, because a confined process can do little else.
    let isolation = daemon::confine(&config).map_or_else(|| "none".to_owned(), |confined| confined.to_string());
    print(&lines(&format!("{text}{:<28}{isolation}\n\n{plan}", "isolation on this system")))
}

/// A text of several lines, made safe for a terminal by [`foreign`].
fn lines(text: &str) -> String {
    text.lines().map(|line| foreign::line(line) + "\n").collect()
}

/// To standard output.
fn print(text: &str) -> u8 {
    let mut out = std::io::stdout();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()).map(|()| exit::OK))
}

/// The exit code after writing to standard output. If its reader has closed it, as `head` does, the process ends by
/// `SIGPIPE` instead, as other programs do.
fn written(result: std::io::Result<u8>) -> u8 {
    match result {
        Ok(code) => return code,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => end_by_broken_pipe(),
        Err(error) => complain(&format!("standard output cannot be written: {error}\n")),
    }
    exit::OUTPUT
}

#[expect(unsafe_code, reason = "signal and raise have no safe wrappers")]
fn end_by_broken_pipe() {
    // SAFETY: neither touches memory, and the default action runs no code of this process.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::raise(libc::SIGPIPE);
    }
}

/// Writes to standard error, and ignores errors: the exit code is enough.
fn complain(text: &str) {
    let _: std::io::Result<()> = std::io::stderr().write_all(text.as_bytes());
}
