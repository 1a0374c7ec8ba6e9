//! The demo: an embedded broker, a stand-in for the service, the real connector between them, and a few samples to
//! follow from publish to delivery and status. `scripts/demo` builds and starts it.
//!
//! With `--once` it ends by itself and fails when anything is missing, twice, or unexpected; so it is a test, too.

mod broker;
mod connector;
mod samples;
#[path = "../../support/standin/mod.rs"]
mod standin;

use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::Duration,
};

use broker::Local;
use connector::Connector;
use lexopt::prelude::*;
use samples::{Expected, samples};
use serde_json::Value;
use standin::{Arrival, Faults, Options, Standin};

const HELP: &str = "\
usage: demo --connector PROGRAM [--folder DIR] [--once]

  --connector PROGRAM  the connector's binary
  --folder DIR         delivered records land in DIR/records (default: target/demo)
  --once               end when all samples have arrived; exit status 1 if any did not
";

/// How long the samples may take, all in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// After this many records one fails, to show that it alone is sent again.
const FAIL_EVERY: u64 = 7;

/// Everything that can happen while the demo watches.
enum Event {
    Arrived(Arrival),
    Status(Vec<u8>),
    Log(String),
    ConnectorEnded,
    TimeIsUp,
    Interrupted,
}

struct Arguments {
    connector: PathBuf,
    folder: PathBuf,
    once: bool,
}

fn main() -> ExitCode {
    let outcome = match arguments() {
        Ok(Some(arguments)) => demo(&arguments),
        Ok(None) => io::stdout().write_all(HELP.as_bytes()).map(|()| Vec::new()).map_err(Into::into),
        Err(error) => Err(error.into()),
    };
    let complaints = outcome.unwrap_or_else(|error| vec![error.to_string()]);
    for complaint in &complaints {
        say("missed", complaint);
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Result<Option<Arguments>, lexopt::Error> {
    let mut connector = None;
    let mut arguments = Arguments { connector: PathBuf::new(), folder: "target/demo".into(), once: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("connector") => connector = Some(parser.value()?.into()),
            Long("folder") => arguments.folder = parser.value()?.into(),
            Long("once") => arguments.once = true,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    arguments.connector = connector.ok_or("--connector is missing: scripts/demo builds it and names it")?;
    Ok(Some(arguments))
}

/// Runs the demo and returns what went other than expected.
fn demo(arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let (events, happened) = mpsc::sync_channel(256);
    let records = arguments.folder.join("records");
    if records.exists() {
        fs::remove_dir_all(&records)?;
    }
    fs::create_dir_all(&records)?;
    let standin = Standin::start(Options {
        folder: Some(records.clone()),
        arrivals: Some(forward_arrivals(events.clone())?),
        faults: Faults { every_record: FAIL_EVERY, ..Faults::default() },
        ..Options::default()
    })?;
    let mut broker = Local::start(events.clone())?;
    let definition = arguments.folder.join("definition.json");

    say("broker", &format!("127.0.0.1:{} (MQTT 3.1.1) and :{} (MQTT 5)", broker.port, broker.v5_port));
    say("service", &format!("http://127.0.0.1:{}, a stand-in that puts off one record in {FAIL_EVERY}", standin.port));
    say("connector", &format!("{} run --definition {}", arguments.connector.display(), definition.display()));
    blank();

    let connector =
        Connector::start(&arguments.connector, &definition, broker.v5_port, standin.port, events.clone())
            .map_err(|error| format!("{}: {error}; scripts/build host makes it", arguments.connector.display()))?;
    interrupt(events.clone())?;
    time_limit(events)?;

    let invitation = invitation(broker.port, standin, &records);
    let outcome = watch(&happened, &mut broker, arguments.once, &invitation);
    let status = connector.stop()?;
    let mut expected = outcome?;
    for event in happened.try_iter() {
        match event {
            Event::Arrived(Arrival::Accepted(record)) if arguments.once => expected.delivered(&record),
            Event::Status(payload) if arguments.once => {
                entries(&payload)?.iter().for_each(|entry| expected.status(entry));
            }
            Event::Log(line) => say("log", &line),
            _ => {}
        }
    }
    let mut complaints = expected.complaints();
    if !status.success() {
        complaints.push(format!("the connector ended with {status}"));
    }
    blank();
    if complaints.is_empty() {
        say(
            "done",
            "each of the samples was delivered once or refused, and has its status; the connector stopped cleanly",
        );
    }
    Ok(complaints)
}

/// Publishes the samples once the connector listens, then reports until all have arrived or there is no hope.
fn watch(
    happened: &Receiver<Event>,
    broker: &mut Local,
    once: bool,
    invitation: &str,
) -> Result<Expected, Box<dyn Error>> {
    let samples = samples();
    let mut expected = Expected::of(&samples);
    let mut published = false;
    let mut complete = false;
    for event in happened {
        match event {
            Event::Log(line) => {
                say("log", &line);
                if !published && line.contains("broker connected") {
                    published = true;
                    blank();
                    for sample in &samples {
                        say("publish", &format!("{}  {}", sample.topic, printable(&sample.payload)));
                        broker.publish(&sample.topic, sample.payload.clone())?;
                    }
                    blank();
                }
            }
            Event::Arrived(Arrival::PutOff { stream, data }) => {
                say("put off", &format!("{stream}  {}", printable(&data)));
            }
            Event::Arrived(Arrival::Accepted(record)) => {
                say("delivered", &format!("{}  {}", record.stream, printable(&record.data)));
                if !complete {
                    expected.delivered(&record);
                }
            }
            Event::Status(payload) => {
                for entry in entries(&payload)? {
                    say("status", &summary(&entry));
                    if !complete {
                        expected.status(&entry);
                    }
                }
            }
            Event::ConnectorEnded => return Err("the connector ended by itself".into()),
            Event::TimeIsUp if complete => {}
            Event::TimeIsUp | Event::Interrupted => return Ok(expected),
        }
        if !complete && expected.is_met() {
            complete = true;
            if once {
                return Ok(expected);
            }
            blank();
            drop(writeln!(io::stdout(), "{invitation}"));
            blank();
        }
    }
    Ok(expected)
}

/// The entries of a status message of versions 2 to 5.
fn entries(payload: &[u8]) -> Result<Vec<Value>, Box<dyn Error>> {
    let message: Value = serde_json::from_slice(payload)?;
    message["response"].as_array().cloned().ok_or_else(|| format!("not a status message: {message}").into())
}

fn summary(entry: &Value) -> String {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let id = text("id");
    if entry["status"] == "success" {
        let record_id: String = text("firehose_record_id").chars().take(24).collect();
        format!("success  {id:<17} record id {record_id}...")
    } else {
        format!("fail     {id:<17} {}: {}", text("ErrorCode"), text("ErrorMessage"))
    }
}

/// As it is printed: what can be copied has line ends where a shell expects them.
fn invitation(port: u16, standin: Standin, records: &Path) -> String {
    let faults = format!("http://127.0.0.1:{}/standin/faults", standin.control_port);
    format!(
        "  Your turn. Publish from another terminal, and watch here:
    mosquitto_pub -p {port} -t kinesisfirehose/message \\
      -m '{{\"request\": {{\"data\": \"hello\"}}, \"id\": \"mine\"}}'
    mosquitto_pub -p {port} -t kinesisfirehose/message/binary/mine -f FILE
  Take the service away; '{{}}' instead brings it back:
    curl -d '{{\"down\": true}}' {faults}
  Delivered records are files in
    {}
  Ctrl-C ends the demo.",
        records.display()
    )
}

fn forward_arrivals(events: SyncSender<Event>) -> io::Result<SyncSender<Arrival>> {
    let (announce, arrivals) = mpsc::sync_channel(256);
    thread::Builder::new().name("arrivals".into()).spawn(move || {
        for arrival in arrivals {
            if events.send(Event::Arrived(arrival)).is_err() {
                return;
            }
        }
    })?;
    Ok(announce)
}

/// SIGINT and SIGTERM end the demo in order, so that the connector does not outlive it.
fn interrupt(events: SyncSender<Event>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupted, mut terminated) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        });
        drop(events.send(Event::Interrupted));
    })?;
    Ok(())
}

fn time_limit(events: SyncSender<Event>) -> io::Result<()> {
    thread::Builder::new().name("patience".into()).spawn(move || {
        thread::sleep(PATIENCE);
        drop(events.send(Event::TimeIsUp));
    })?;
    Ok(())
}

/// One line, cut to a readable length; bytes that are not text as `\xff`.
fn printable(data: &[u8]) -> String {
    const WIDTH: usize = 48;
    let text = match std::str::from_utf8(data) {
        Ok(text) => text.trim_end().to_owned(),
        Err(_) => data.escape_ascii().to_string(),
    };
    if text.chars().count() <= WIDTH { text } else { text.chars().take(WIDTH).chain("...".chars()).collect() }
}

/// A part of the report, in as many lines as it takes; a closed terminal is no reason to fail.
fn say(what: &str, text: &str) {
    let what = format!("  {what:<10} ");
    let mut line = what.clone();
    for mut word in text.split_inclusive(' ') {
        if line.len() + word.trim_end().chars().count() > COLUMNS && line.trim_end().len() > what.trim_end().len() {
            drop(writeln!(io::stdout(), "{}", line.trim_end()));
            line = " ".repeat(what.len());
        }
        // A name that is longer than a line, such as an ARN, breaks where one of its parts ends.
        while line.len() + word.trim_end().len() > COLUMNS {
            let room = word.floor_char_boundary(COLUMNS - line.len());
            let end = word[..room].rfind(['/', ':']).map_or(room, |end| end + 1);
            drop(writeln!(io::stdout(), "{line}{}", &word[..end]));
            line = " ".repeat(what.len());
            word = &word[end..];
        }
        line.push_str(word);
    }
    drop(writeln!(io::stdout(), "{}", line.trim_end()));
}

/// Of a terminal that is no wider than terminals were.
const COLUMNS: usize = 80;

fn blank() {
    drop(writeln!(io::stdout()));
}
