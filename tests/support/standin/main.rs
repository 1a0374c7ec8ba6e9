//! The Firehose stand-in as a program, for tests in other languages and for trying things by hand.
//!
//! Prints `port N` and `control N` when both listen, then serves until it is stopped.

#[path = "mod.rs"]
mod standin;

use std::{error::Error, io, io::Write, thread};

use lexopt::prelude::*;
use standin::{Options, Standin};

const HELP: &str = "\
usage: firehose-standin [--address IP] [--port N] [--control-port N] [--folder DIR] [--keep BYTES] [--faults JSON]

  --address IP      address of the service, if not 127.0.0.1
  --port N          port of the service (0: the kernel chooses)
  --control-port N  port of /standin/state, /standin/records, /standin/faults, /standin/reset
  --folder DIR      write each accepted record to DIR/STREAM/NNNNNN
  --keep BYTES      hold on to that much of accepted records for /standin/records
  --faults JSON     faults from the start, as for POST /standin/faults, for instance
                    {\"every_record\": 97, \"every_request\": 13, \"request_fault\": \"mixed\"}
";

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("address") => options.address = Some(arguments.value()?.parse()?),
            Long("port") => options.port = arguments.value()?.parse()?,
            Long("control-port") => options.control_port = arguments.value()?.parse()?,
            Long("folder") => options.folder = Some(arguments.value()?.into()),
            Long("keep") => options.keep = arguments.value()?.parse()?,
            Long("faults") => options.faults = serde_json::from_str(&arguments.value()?.string()?)?,
            Long("help") | Short('h') => return Ok(io::stdout().write_all(HELP.as_bytes())?),
            other => return Err(other.unexpected().into()),
        }
    }
    let standin = Standin::start(options)?;
    writeln!(io::stdout(), "port {}\ncontrol {}", standin.port, standin.control_port)?;
    loop {
        thread::park();
    }
}
