//! Signals: what each means, and how the loop hears of it.
//!
//! Every signal that would end the process, faults of its own aside, waits in the kernel until the loop reads it from a file
//! (`signalfd(2)`). None is lost, none strikes before there is a loop, and no code runs at a time of its own choosing.
//!
//! SIGPIPE and SIGXFSZ are not among them: a write that fails says the same. They are ignored by `main`.

use core::ffi::c_int;
use core::future::pending;
use std::fs::File;
use std::io::{self, IsTerminal as _};

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

/// Signals that end the process once what is held is sent: those by which people, init, a terminal, a container's host whose
/// power fails, and a limit of CPU time say so.
pub const ENDING: u64 = set(&[libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGPWR, libc::SIGXCPU]);

/// Signals that do not end it, though they would by default. Real-time signals begin with 34 here: the C libraries keep the
/// two before for themselves, and musl 34, too, for what the connector does not do.
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

/// A set as the kernel has it: the lowest bit is signal 1.
const fn set(signals: &[c_int]) -> u64 {
    let mut set = 0;
    let mut place = 0;
    while place < signals.len() {
        set |= 1 << (signals[place] - 1);
        place += 1;
    }
    set
}

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Send what is held, and end.
    End,
    /// Somebody wants to see the counters.
    Counters,
    /// Reload, as others do on SIGHUP: here nothing has to be.
    Reload,
    /// Nothing.
    Nothing(u32),
}

/// See the module.
pub(super) struct Signals {
    /// No pipe, but read like one.
    file: Receiver,
    /// Whether SIGHUP says that the terminal which the process runs on goes away.
    on_a_terminal: bool,
}

impl Signals {
    /// Those that are read from `file`, a signalfd.
    ///
    /// # Errors
    /// The runtime cannot wait for it.
    pub(super) fn new(file: File) -> io::Result<Self> {
        Ok(Self { file: Receiver::from_file_unchecked(file)?, on_a_terminal: io::stdin().is_terminal() })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Told {
        // `struct signalfd_siginfo`, which begins with the number.
        let mut information = [0; 128];
        let read = self.file.read(&mut information).await;
        let [a, b, c, d, ..] = information;
        match read {
            Ok(_) => meaning(u32::from_ne_bytes([a, b, c, d]), self.on_a_terminal),
            // It cannot fail. If it did it would do so for ever.
            Err(_) => pending().await,
        }
    }
}

fn meaning(signal: u32, on_a_terminal: bool) -> Told {
    const HANG_UP: u32 = libc::SIGHUP.unsigned_abs();
    const USER_1: u32 = libc::SIGUSR1.unsigned_abs();
    match signal {
        HANG_UP if on_a_terminal => Told::End,
        HANG_UP => Told::Reload,
        USER_1 => Told::Counters,
        _ if (1..=64).contains(&signal) && ENDING & 1 << (signal - 1) != 0 => Told::End,
        _ => Told::Nothing(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By default these end no process (`signal(7)`): children, stopping and going on, urgent data, the terminal's size.
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
    /// These end one whatever it wants, or say that it cannot go on.
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
    /// Of the C libraries.
    const RESERVED: [c_int; 2] = [32, 33];

    #[test]
    fn every_signal_that_ends_a_process_by_default_is_decided() {
        let ignored = [libc::SIGPIPE, libc::SIGXFSZ];
        let left = set(&HARMLESS) | set(&FAULTS) | set(&RESERVED) | set(&ignored);
        assert_eq!(ENDING | OTHERS | left, u64::MAX);
        assert_eq!(ENDING & OTHERS, 0);
        assert_eq!((ENDING | OTHERS) & left, 0);
    }

    #[test]
    fn each_has_its_meaning_and_a_lost_terminal_ends_what_runs_on_it() {
        let number = |signal: c_int| signal.unsigned_abs();
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGPWR, libc::SIGXCPU] {
            assert_eq!(meaning(number(signal), false), Told::End);
        }
        assert_eq!(meaning(number(libc::SIGUSR1), true), Told::Counters);
        assert_eq!([false, true].map(|terminal| meaning(1, terminal)), [Told::Reload, Told::End]);
        assert_eq!(
            [10, 12, 64].map(|signal| meaning(signal, true)),
            [Told::Counters, Told::Nothing(12), Told::Nothing(64)]
        );
        assert_eq!([0, 65, u32::MAX].map(|signal| meaning(signal, false)), [0, 65, u32::MAX].map(Told::Nothing));
    }
}
