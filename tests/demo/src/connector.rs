//! The real connector as a child process.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
};

use serde_json::json;

use crate::{Event, samples::DEFAULT_ARN};

/// A running connector.
pub(crate) struct Connector {
    child: Child,
}

impl Connector {
    /// Writes a definition like the example of AWS's documentation and starts the connector with it.
    pub(crate) fn start(
        program: &Path,
        definition: &Path,
        mqtt_port: u16,
        service_port: u16,
        events: mpsc::SyncSender<Event>,
    ) -> io::Result<Self> {
        let connector = json!({
            "Id": "MyKinesisFirehoseConnector",
            "ConnectorArn": "arn:aws:greengrass:eu-west-1::/connectors/KinesisFirehose/versions/5",
            "Parameters": {
                "DefaultDeliveryStreamArn": DEFAULT_ARN,
                "DeliveryStreamQueueSize": "5000",
                "MemorySize": "65535",
                "PublishInterval": "1",
                "IsolationMode": "NoContainer",
            },
        });
        fs::write(definition, format!("{:#}\n", json!({"Connectors": [connector]})))?;
        let mut child = Command::new(program)
            .args(["run", "--definition"])
            .arg(definition)
            .env_clear()
            .env("FIREHOSE_CONNECTOR_MQTT_URL", format!("mqtt://127.0.0.1:{mqtt_port}"))
            .env("AWS_ENDPOINT_URL_FIREHOSE", format!("http://127.0.0.1:{service_port}"))
            .env("AWS_ACCESS_KEY_ID", "demo")
            .env("AWS_SECRET_ACCESS_KEY", "demo")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for the demo, which then stops the connector.
            .process_group(0)
            .spawn()?;
        if let Some(stderr) = child.stderr.take() {
            thread::Builder::new().name("log".into()).spawn(move || read_log(stderr, &events))?;
        }
        Ok(Self { child })
    }

    /// Asks the connector to end, as init does, and waits until it has.
    pub(crate) fn stop(mut self) -> io::Result<ExitStatus> {
        // The shell's own `kill`: the standard library cannot send this signal.
        Command::new("sh").args(["-c", "kill -TERM \"$0\""]).arg(self.child.id().to_string()).status()?;
        self.child.wait()
    }
}

fn read_log(stderr: impl io::Read, events: &mpsc::SyncSender<Event>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        // Its time is now.
        let line = line.split_once("Z ").map_or(&*line, |(_, said)| said).to_owned();
        if events.send(Event::Log(line)).is_err() {
            return;
        }
    }
    // The other end has gone when the demo is ending too.
    drop(events.send(Event::ConnectorEnded));
}
