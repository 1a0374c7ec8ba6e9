//! Confines itself as the connector does, then tries what an attacker would who has taken the process over:
//!
//!     sandbox-probe [FOLDER [files|calls|spool]]
//!
//! FOLDER counts as one of those with settings; with the name of a layer, it is that one alone; with `spool`, there is
//! one in it. A line for each attempt. Most of what is refused afterwards is tried before, too, and has to work then.
//! What Landlock is expected to refuse depends on its version here. Exit status 1 if anything is other than it should
//! be.

#![allow(unsafe_code, reason = "it makes system calls that no safe library offers")]
#![expect(clippy::print_stdout, reason = "it is a program")]

mod attempts;
mod system;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use attempts::{By, OPEN_PORT, kept, needed, tried_confined, tried_twice};
use firehose_connector::sandbox::{Needs, calls, confine, files};
use system::Attempt;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let settings = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let layer = arguments.next().unwrap_or_default();
    let (by_files, by_calls) = (layer != "calls", layer != "files");
    let inside = settings.join("sandbox-probe.inside");
    let outside = PathBuf::from(format!("/var/tmp/sandbox-probe.{}", std::process::id()));
    // A process that is another's; it ends with this one.
    let other = Command::new("/bin/sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn();
    let prepared = fs::write(&inside, "secret").and_then(|()| fs::write(&outside, "secret"));
    let listener = UnixListener::bind(inside.with_extension("socket"));
    let (Ok(other), Ok(()), Ok(_listener)) = (other, prepared, listener) else {
        println!("cannot prepare a process, {} and {}", inside.display(), outside.display());
        return ExitCode::FAILURE;
    };
    let mut results = Results::default();
    for (what, _, attempt) in tried_twice(&inside, &outside, other.id()) {
        results.one(what, attempt, true);
    }
    let landlock = if by_files { system::landlock() } else { 0 };
    let spool = Some(settings.join("sandbox-probe.spool")).filter(|_| layer == "spool");
    if spool.as_ref().is_some_and(|spool| fs::create_dir(spool).is_err()) {
        println!("cannot make a folder for the spool");
        return ExitCode::FAILURE;
    }
    let needs =
        Needs { folders: vec!["/etc".into(), settings], spool: spool.clone(), ports: vec![OPEN_PORT], unix: false };
    match (by_files, by_calls) {
        (true, true) => println!("isolation {}", confine(&needs)),
        (true, false) => println!("isolation by files alone: {:?}", files::restrict(&needs)),
        (false, _) => println!("isolation by calls alone: {:?}", calls::restrict(false, false)),
    }
    println!("Landlock is of version {landlock}");
    for (what, by, attempt) in tried_twice(&inside, &outside, other.id()) {
        let is_refused = match by {
            By::Files(since) => landlock >= since,
            By::Calls => by_calls,
            By::Both(since) => by_calls && spool.is_none() || landlock >= since,
        };
        results.one(what, attempt, !is_refused);
    }
    if by_files && by_calls {
        for (what, attempt) in tried_confined(&inside, other.id()) {
            results.one(what, attempt, false);
        }
    }
    for (what, attempt) in needed(&inside).into_iter().chain(spool.iter().flat_map(|spool| kept(spool))) {
        results.one(what, attempt, true);
    }
    ExitCode::from(u8::from(results.wrong))
}

#[derive(Default)]
struct Results {
    wrong: bool,
}

impl Results {
    fn one(&mut self, what: &str, attempt: Attempt, works: bool) {
        let is_right = works == attempt.is_ok();
        self.wrong |= !is_right;
        let verdict = if is_right { "" } else { "WRONG: " };
        match attempt {
            Ok(()) => println!("{verdict}works    {what}"),
            Err(error) => println!("{verdict}refused  {what}: {error}"),
        }
    }
}
