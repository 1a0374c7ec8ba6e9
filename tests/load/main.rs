//! A fast application: publishes numbered JSON records at QoS 1, collects the statuses, and checks that each record has
//! exactly one. Prints what it counted as one line of JSON.

use std::{
    collections::BTreeMap,
    error::Error,
    io::{self, Write},
    time::Duration,
};

use lexopt::prelude::*;
use rumqttc::v5::{
    AsyncClient, Event, MqttOptions,
    mqttbytes::{QoS, v5::Packet},
};
use serde_json::{Value, json};

const HELP: &str = "\
usage: load --port N [--count N] [--size BYTES] [--rate N] [--quiet-after SECONDS] [--qos 0|1]

  --port N         port of the broker on 127.0.0.1
  --count N        records to publish (default 100000)
  --size BYTES     bytes of `data` in each (default 1024)
  --rate N         records a second at most (default: as fast as the broker takes them)
  --quiet-after S  seconds without a status after which the rest is missing (default 30)
  --qos N          of the publishes (default 1)
";

struct Arguments {
    port: u16,
    count: usize,
    size: usize,
    rate: usize,
    quiet_after: Duration,
    qos: QoS,
}

/// What came back.
#[derive(Default)]
struct Statuses {
    /// How often each record was answered.
    answers: Vec<u8>,
    answered: usize,
    succeeded: usize,
    messages: usize,
    codes: BTreeMap<String, usize>,
    unknown: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments {
        port: 0,
        count: 100_000,
        size: 1024,
        rate: 0,
        quiet_after: Duration::from_secs(30),
        qos: QoS::AtLeastOnce,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => arguments.port = parser.value()?.parse()?,
            Long("count") => arguments.count = parser.value()?.parse()?,
            Long("size") => arguments.size = parser.value()?.parse()?,
            Long("rate") => arguments.rate = parser.value()?.parse()?,
            Long("quiet-after") => arguments.quiet_after = Duration::from_secs(parser.value()?.parse()?),
            Long("qos") => {
                arguments.qos = rumqttc::v5::mqttbytes::qos(parser.value()?.parse()?).ok_or("QoS is 0 or 1")?
            }
            Long("help") | Short('h') => return Ok(io::stdout().write_all(HELP.as_bytes())?),
            other => return Err(other.unexpected().into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let statuses = runtime.block_on(load(&arguments))?;
    let repeated = statuses.answers.iter().filter(|&&answers| answers > 1).count();
    let report = json!({
        "published": arguments.count,
        "answered": statuses.answered,
        "succeeded": statuses.succeeded,
        "failed": statuses.codes,
        "missing": arguments.count - statuses.answered,
        "repeated": repeated,
        "unknown": statuses.unknown,
        "status_messages": statuses.messages,
    });
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

async fn load(arguments: &Arguments) -> Result<Statuses, Box<dyn Error>> {
    let mut options = MqttOptions::new("load", "127.0.0.1", arguments.port);
    options.set_max_packet_size(Some(2 * 1024 * 1024)).set_receive_maximum(Some(1000)).set_clean_start(true);
    let (client, mut events) = AsyncClient::new(options, 1000);
    client.subscribe("kinesisfirehose/message/status", QoS::AtLeastOnce).await?;
    while !matches!(events.poll().await?, Event::Incoming(Packet::SubAck(_))) {}

    let publisher = publish(client, arguments);
    let mut statuses = Statuses { answers: vec![0; arguments.count], ..Statuses::default() };
    let collector = async {
        while statuses.answered < arguments.count {
            match tokio::time::timeout(arguments.quiet_after, next_status(&mut events)).await {
                Ok(payload) => statuses.take(&payload?)?,
                Err(_) => return Ok(()),
            }
        }
        // A second answer would be close behind.
        while let Ok(payload) = tokio::time::timeout(Duration::from_secs(1), next_status(&mut events)).await {
            statuses.take(&payload?)?;
        }
        Ok::<_, Box<dyn Error>>(())
    };
    let (published, collected) = tokio::join!(publisher, collector);
    published?;
    collected?;
    Ok(statuses)
}

async fn publish(client: AsyncClient, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let filler = "lorem-ipsum-dolor-sit-amet-0123456789-".repeat(arguments.size / 38 + 1);
    // Ten bursts a second are even enough, and spare the timer.
    let burst = arguments.rate.div_ceil(10);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for number in 0..arguments.count {
        if burst > 0 && number % burst == 0 {
            ticks.tick().await;
        }
        let data = format!("{number:010}{}", filler.get(..arguments.size.saturating_sub(10)).unwrap_or_default());
        let message = format!(r#"{{"request":{{"data":"{data}"}},"id":"{number}"}}"#);
        client.publish("kinesisfirehose/message", arguments.qos, false, message).await?;
    }
    Ok(())
}

async fn next_status(events: &mut rumqttc::v5::EventLoop) -> Result<Vec<u8>, Box<dyn Error>> {
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = events.poll().await? {
            return Ok(publish.payload.to_vec());
        }
    }
}

impl Statuses {
    /// Counts one status message, of version 1 or of the later ones.
    fn take(&mut self, payload: &[u8]) -> Result<(), Box<dyn Error>> {
        self.messages += 1;
        let message: Value = serde_json::from_slice(payload)?;
        match message["response"].as_array() {
            Some(entries) => entries.iter().for_each(|entry| self.count(&entry["id"], entry)),
            None => self.count(&message["id"], &message["response"]),
        }
        Ok(())
    }

    fn count(&mut self, id: &Value, entry: &Value) {
        let number = id.as_str().and_then(|id| id.parse::<usize>().ok());
        let Some(answers) = number.and_then(|number| self.answers.get_mut(number)) else {
            self.unknown += 1;
            return;
        };
        self.answered += usize::from(*answers == 0);
        *answers = answers.saturating_add(1);
        if entry["status"] == "success" {
            self.succeeded += 1;
        } else {
            let code = entry["ErrorCode"].as_str().or_else(|| entry["error"].as_str()).unwrap_or("none");
            *self.codes.entry(code.to_owned()).or_default() += 1;
        }
    }
}
