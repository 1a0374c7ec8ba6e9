//! Signals: what each one makes the daemon do, and how the loop receives them.
//!
//! Every signal that would end the process, except those for its own faults, is blocked and stays pending in the kernel
//! until the loop reads it from a file (`signalfd(2)`). So none is lost, none interrupts the start, and there are no
//! signal handlers.
//!
//! SIGPIPE and SIGXFSZ are ignored instead (in `main`): the write that causes them returns an error as well.

use core::ffi::c_int;
use core::future::pending;
use std::fs::File;
use std::io::{self, IsTerminal as _};

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

/// Signals that end the process after it has sent what it holds: from people, init, a terminal, a container's host on
/// power failure, and the CPU time limit. The lowest bit is signal 1.
pub const ENDING: u64 = set(&[libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGPWR, libc::SIGXCPU]);

/// Signals that do not end the process, although they would by default. Real-time signals start at 34 here: C libraries
/// reserve 32 and 33. musl reserves 34, too, but for a call that the connector does not make.
pub const OTHERS: u64 = set(&[
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGSTKFLT,
]) | u64::MAX << (34 - 1);

/// A signal set in the kernel's format: the lowest bit is signal 1.
const fn set(signals: &[c_int]) -> u64 {
    let mut set = 0;
    let mut place = 0;
    while place < signals.len() {
        set |= 1 << (signals[place] - 1);
        place += 1;
    }
    set
}

/// What the daemon does on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Send what is held, then end.
    Drain,
    /// Log the counters.
    LogCounters,
    /// Say that nothing has to be reloaded, which is what SIGHUP asks of most daemons.
    ExplainReload,
    /// Ignore the signal of this number.
    Ignore(u32),
}

/// The stream of signals sent to this process.
pub(super) struct Signals {
    /// The signalfd, which the runtime reads like a pipe.
    file: Receiver,
    /// Whether the process runs on a terminal: then SIGHUP means that the terminal is gone.
    on_a_terminal: bool,
}

impl Signals {
    /// Reads signals from `file`, a non-blocking signalfd.
    ///
    /// # Errors
    /// The runtime cannot register `file`.
    pub(super) fn new(file: File) -> io::Result<Self> {
        Ok(Self { file: Receiver::from_file_unchecked(file)?, on_a_terminal: io::stdin().is_terminal() })
    }

    /// Waits for the next signal. Cancel-safe: a signal that was not read stays pending.
    pub(super) async fn next(&mut self) -> Action {
        // `struct signalfd_siginfo`: its first field is the number.
        let mut information = [0; 128];
        let read = self.file.read(&mut information).await;
        let [a, b, c, d, ..] = information;
        match read {
            Ok(_) => action(u32::from_ne_bytes([a, b, c, d]), self.on_a_terminal),
            // Not expected; a read that failed once would go on failing, and must not make a busy loop.
            Err(_) => pending().await,
        }
    }
}

fn action(signal: u32, on_a_terminal: bool) -> Action {
    const HANG_UP: u32 = libc::SIGHUP.unsigned_abs();
    const USER_1: u32 = libc::SIGUSR1.unsigned_abs();
    match signal {
        HANG_UP if on_a_terminal => Action::Drain,
        HANG_UP => Action::ExplainReload,
        USER_1 => Action::LogCounters,
        _ if (1..=64).contains(&signal) && ENDING & 1 << (signal - 1) != 0 => Action::Drain,
        _ => Action::Ignore(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Do not end a process by default (`signal(7)`): children, stop and continue, urgent data, the terminal's size.
    const HARMLESS: [c_int; 8] = [
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    /// Cannot be blocked, or report a fault after which the process cannot go on.
    const FAULTS: [c_int; 8] = [
        libc::SIGKILL,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGSEGV,
        libc::SIGSYS,
    ];
    /// Used by the C libraries themselves.
    const RESERVED: [c_int; 2] = [32, 33];

    #[test]
    fn every_signal_that_ends_a_process_by_default_is_handled() {
        let ignored = [libc::SIGPIPE, libc::SIGXFSZ];
        let left = set(&HARMLESS) | set(&FAULTS) | set(&RESERVED) | set(&ignored);
        assert_eq!(ENDING | OTHERS | left, u64::MAX);
        assert_eq!(ENDING & OTHERS, 0);
        assert_eq!((ENDING | OTHERS) & left, 0);
    }

    #[test]
    fn each_signal_has_its_action_and_sighup_from_a_terminal_drains() {
        let number = |signal: c_int| signal.unsigned_abs();
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGPWR, libc::SIGXCPU] {
            assert_eq!(action(number(signal), false), Action::Drain);
        }
        assert_eq!(action(number(libc::SIGUSR1), true), Action::LogCounters);
        assert_eq!([false, true].map(|terminal| action(1, terminal)), [Action::ExplainReload, Action::Drain]);
        assert_eq!(
            [10, 12, 64].map(|signal| action(signal, true)),
            [Action::LogCounters, Action::Ignore(12), Action::Ignore(64)]
        );
        assert_eq!([0, 65, u32::MAX].map(|signal| action(signal, false)), [0, 65, u32::MAX].map(Action::Ignore));
    }
}
