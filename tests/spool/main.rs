//! The spool on a simulated disk that fails and loses power, with files that were damaged, and with those of earlier versions.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong ends")]

mod crashes;
mod damage;
mod disk;
mod flash;
mod history;
mod run;
