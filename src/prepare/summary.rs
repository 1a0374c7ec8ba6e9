//! The effects of the configuration, one line each.

use core::fmt::{self, Write as _};

use super::spool;
use crate::config::{Config, EndpointUrl, Greengrass, Origin, Proxy, host_and_port};
use crate::credentials::Source;
use crate::foreign::file_name;
use crate::relay::arn::DeliveryStreamArn;
use crate::relay::pack::Packing;

/// The summary as `check` prints it. The origin of a value, if it is a variable or a default, is added in parentheses.
#[must_use]
pub fn summary(config: &Config) -> String {
    let Config { connector, mqtt, aws, .. } = config;
    let from = |index: usize| match connector.origins.get(index) {
        Some(Origin::Variable(variable)) => format!(" ({variable})"),
        Some(Origin::Definition) => String::new(),
        Some(Origin::Default) | None => " (default)".to_owned(),
    };
    let definition = connector.definition.as_ref().map_or_else(|| "none".to_owned(), |file| file_name(file));
    let scheme = if mqtt.tls.is_some() { "mqtts" } else { "mqtt" };
    let broker = host_and_port(&mqtt.host, mqtt.port);
    let service = match DeliveryStreamArn::parse(&connector.default_delivery_stream_arn) {
        Ok(arn) => aws.endpoint(&arn),
        Err(_) => EndpointUrl { tls: true, host: String::new(), port: 443 },
    };
    let service_proxy =
        aws.proxy.as_ref().filter(|proxy| service.tls && !proxy.exceptions.covers(&service.host, service.port));
    let rows = [
        ("definition", format!("{definition}, version {} of the connector", connector.version)),
        ("DefaultDeliveryStreamArn", connector.default_delivery_stream_arn.clone() + &from(0)),
        ("DeliveryStreamQueueSize", format!("{} records{}", connector.queue_size, from(1))),
        ("MemorySize", format!("{} KB{}", connector.memory_size, from(2))),
        ("PublishInterval", format!("{} s{}", connector.publish_interval.as_secs(), from(3))),
        ("IsolationMode", format!("{}{}", connector.isolation, from(4))),
        match &config.greengrass {
            None => {
                ("broker", format!("{scheme}://{broker}{}, client id {:?}", by(mqtt.proxy.as_ref()), mqtt.client_id))
            }
            Some(Greengrass { socket, topics, .. }) => {
                let topics: Vec<_> = topics.iter().map(|topic| topic.filter.as_str()).collect();
                ("nucleus", format!("{}, topics {}", file_name(socket), topics.join(", ")))
            }
        },
        (
            "service",
            format!(
                "{}://{}{} ({})",
                if service.tls { "https" } else { "http" },
                service.authority(),
                by(service_proxy),
                aws.endpoint_variable.unwrap_or("of the region")
            ),
        ),
        ("credentials", Source::of(&aws.credentials).map_or("none yet", |source| source.name()).to_owned()),
    ];
    let packing = packing(config.packing).map(|packing| ("packing", packing));
    let spool = spool(config).map(|spool| ("spool", spool));
    let mut text = String::new();
    for (name, value) in rows.into_iter().chain(packing).chain(spool) {
        // Writing to a String cannot fail.
        let _: fmt::Result = writeln!(text, "{name:<28}{value}");
    }
    text
}

fn packing(Packing { bytes, binary, delimiter, at_end }: Packing) -> Option<String> {
    let delimiter: String = delimiter.as_bytes().iter().map(|byte| format!("%{byte:02X}")).collect();
    let end = if at_end { ", also at the end" } else { "" };
    match bytes {
        0 if at_end => Some(format!("none; {delimiter} at the end of each record")),
        0 => None,
        _ if binary => {
            Some(format!("records of up to {bytes} bytes, binary ones, too, with {delimiter} between them{end}"))
        }
        _ => Some(format!("records of up to {bytes} bytes, with {delimiter} between them{end}")),
    }
}

fn by(proxy: Option<&Proxy>) -> String {
    proxy.map_or_else(String::new, |Proxy { endpoint, variable, .. }| {
        format!(" by the proxy {} ({variable})", host_and_port(&endpoint.host, endpoint.port))
    })
}
