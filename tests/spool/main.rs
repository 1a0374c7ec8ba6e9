//! The spool on a simulated disk that fails and loses power, with files that were damaged, and with those of earlier
//! versions.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that goes wrong ends")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

mod crashes;
mod damage;
mod disk;
mod flash;
mod history;
mod reading;
mod run;
