//! The program: reads the command line, checks or runs, and says what was wrong. See the library's tour.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use firehose_connector::cli::{self, Command, UsageError, exit};
use firehose_connector::config;
use firehose_connector::net::{chain, clock::Clock};
use firehose_connector::prepare::{self, Ready, Warning};
use firehose_connector::{daemon, doctor, foreign, memory};
use log::LevelFilter;

fn main() -> ExitCode {
    outlive_questions();
    return_freed_memory();
    ExitCode::from(match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help(text)) => print(text),
        Ok(Command::Version) => print(cli::VERSION),
        Ok(Command::Run { definition }) => run(definition.as_deref()),
        Ok(Command::Check { definition, json: false, online: None }) => check(definition.as_deref()),
        Ok(Command::Check { definition, json, online }) => {
            let config = config::load(definition.as_deref(), std::env::vars_os());
            doctor::examine(config, json, online.as_ref(), &mut std::io::stdout())
        }
        Err(UsageError::NoCommand) => {
            complain(cli::HELP);
            exit::USAGE
        }
        Err(error) => {
            complain(&format!("{error}\n"));
            exit::USAGE
        }
    })
}

/// SIGUSR1 asks for the counters and must not end a process that has none yet. The loop takes it over.
#[expect(unsafe_code, reason = "signal has no safe wrapper; no other thread is there yet")]
fn outlive_questions() {
    // SAFETY: ignoring a signal runs no handler.
    unsafe {
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
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

/// Much of the program is for the start alone: reading the configuration, setting TLS up, confining itself. It need not stay in
/// memory; what is needed again comes from the page cache, or from the file.
#[expect(unsafe_code, reason = "madvise has no safe wrapper for memory that it did not map")]
fn forget_the_start(code: &[(usize, usize)]) {
    for (start, length) in code {
        let start: *mut libc::c_void = std::ptr::with_exposed_provenance_mut(*start);
        // SAFETY: pages of a file that are executable and not writable hold nothing but what is in the file, so that nobody sees
        // that they were away. A refusal leaves them as they are.
        unsafe {
            libc::madvise(start, *length, libc::MADV_DONTNEED);
        }
    }
}

fn run(definition: Option<&Path>) -> u8 {
    let clock = Clock::default();
    let ready = match load(definition, &clock) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let mut logger = env_logger::Builder::new();
    logger.parse_filters(&ready.config.log).filter_module(daemon::COUNTERS, LevelFilter::Info).format(line).init();
    let code = memory::program_code();
    match daemon::run(ready, clock, &|| forget_the_start(&code)) {
        Ok(()) => exit::OK,
        Err(error) => {
            complain(&lines(&chain(&error)));
            if error.is_configuration() { exit::CONFIG } else { exit::INTERNAL }
        }
    }
}

fn check(definition: Option<&Path>) -> u8 {
    let clock = Clock::default();
    let Ready { config, plan, .. } = match load(definition, &clock) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let mut text = "the configuration is good\n".to_owned();
    let warnings = prepare::certificates(&config, clock.wall()).into_iter().chain(prepare::credentials(&config));
    for Warning { found, advice } in warnings {
        text.push_str(&format!("warning: {found}; {advice}\n"));
    }
    text.push_str(&format!("\n{}", prepare::summary(&config)));
    // Last, because nothing is left to do for this process then.
    let isolation = daemon::confine(&config).map_or_else(|| "none".to_owned(), |confined| confined.to_string());
    print(&lines(&format!("{text}{:<28}{isolation}\n\n{plan}", "isolation on this system")))
}

/// All that a start needs, or the exit code after all that is wrong has been said.
fn load(definition: Option<&Path>, clock: &Clock) -> Result<Ready, u8> {
    prepare::prepare(config::load(definition, std::env::vars_os()), clock).map_err(|faults| {
        faults.iter().for_each(|fault| complain(&lines(&chain(fault))));
        exit::CONFIG
    })
}

/// A text of our own whose lines have parts from outside.
fn lines(text: &str) -> String {
    text.lines().map(|text| foreign::line(text) + "\n").collect()
}

/// Level and message. The time is the log's business: journald and syslog add it.
fn line(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> std::io::Result<()> {
    writeln!(out, "{}: {}", record.level().as_str().to_ascii_lowercase(), record.args())
}

/// To standard output. A reader that has gone away is no fault.
fn print(text: &str) -> u8 {
    let _: std::io::Result<()> = std::io::stdout().write_all(text.as_bytes());
    exit::OK
}

/// To standard error. Without one nobody reads it, and the exit code says enough.
fn complain(text: &str) {
    let _: std::io::Result<()> = std::io::stderr().write_all(text.as_bytes());
}
