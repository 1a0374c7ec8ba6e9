//! The checked configuration: plain values, no file is read here.

use core::{fmt, time::Duration};
use std::path::PathBuf;

use super::no_proxy::NoProxy;
use crate::foreign::Secret;
use crate::limits::greengrass::{CLOUD_STATUS_BYTES, STATUS_BYTES};
use crate::relay::Acknowledge;
use crate::relay::pack::Packing;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The connector parameters.
    pub connector: Connector,
    /// Where the broker is and how to log in.
    pub mqtt: Mqtt,
    /// Greengrass as the source of publishes, in place of the broker.
    pub greengrass: Option<Greengrass>,
    /// Where the service is and where credentials come from.
    pub aws: Aws,
    /// `FIREHOSE_CONNECTOR_LOG`, a filter that env_logger can read; by default `info`.
    pub log: String,
    /// `FIREHOSE_CONNECTOR_LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `FIREHOSE_CONNECTOR_COUNTERS_INTERVAL`; `None`: the counters are not published.
    pub counters_interval: Option<Duration>,
    /// `FIREHOSE_CONNECTOR_ACKNOWLEDGE`.
    pub acknowledge: Acknowledge,
    /// `FIREHOSE_CONNECTOR_PACK` and what goes with it.
    pub packing: Packing,
    /// Where records are kept on disk while the uplink is away; `None`: nowhere.
    pub spool: Option<Spool>,
    /// Variables that Greengrass left without their value; they count as unset.
    pub unresolved: Vec<&'static str>,
}

/// Directory and size of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// `FIREHOSE_CONNECTOR_SPOOL`, which need not be there yet.
    pub directory: PathBuf,
    /// `FIREHOSE_CONNECTOR_SPOOL_SIZE`, KB.
    pub size: u64,
}

/// The connector parameters of any version, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// 1 to 5.
    pub version: u8,
    /// `DefaultDeliveryStreamArn`, known to be well-formed.
    pub default_delivery_stream_arn: String,
    /// `DeliveryStreamQueueSize`, records per delivery stream; at most `usize::MAX`.
    pub queue_size: usize,
    /// `MemorySize`, KiB; at most `usize::MAX / 1024`, so that the number of bytes fits a `usize`.
    pub memory_size: u64,
    /// `PublishInterval`; zero: no batching.
    pub publish_interval: Duration,
    /// `IsolationMode`.
    pub isolation: IsolationMode,
    /// `FIREHOSE_CONNECTOR_MEMORY_TOUCH`: make all of the memory resident at start.
    pub touch_memory: bool,
    /// The definition file, if there is one.
    pub definition: Option<PathBuf>,
    /// The origin of each parameter, in the order of the fields above.
    pub origins: [Origin; 5],
}

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// It is the default.
    #[default]
    Default,
    /// The definition file.
    Definition,
    /// This variable, which takes precedence over the definition.
    Variable(&'static str),
}

impl fmt::Display for IsolationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GreengrassContainer => "GreengrassContainer",
            Self::NoContainer => "NoContainer",
        })
    }
}

/// `IsolationMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationMode {
    /// The default, and what versions 1 to 4 ran in.
    #[default]
    GreengrassContainer,
    /// No confinement.
    NoContainer,
}

/// `FIREHOSE_CONNECTOR_LOG_FORMAT`: what a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Unset: as [`LogFormat::Syslog`] for journald, as [`LogFormat::Text`] elsewhere.
    #[default]
    Auto,
    /// `text`: time, level and message.
    Text,
    /// `json`: the same as an object.
    Json,
    /// `syslog`: level and message, after the priority as a number.
    Syslog,
}

impl LogFormat {
    /// That with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "syslog" => Some(Self::Syslog),
            _ => None,
        }
    }
}

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1.
    V3,
    /// 5.
    V5,
}

impl MqttVersion {
    /// As its specification has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V3 => "3.1.1",
            Self::V5 => "5",
        }
    }
}

/// The broker and the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port; by default 1883, or 8883 with TLS.
    pub port: u16,
    /// `None`: plain TCP.
    pub tls: Option<MqttTls>,
    /// `FIREHOSE_CONNECTOR_MQTT_VERSION`; `None`: what the broker speaks.
    pub version: Option<MqttVersion>,
    /// `FIREHOSE_CONNECTOR_MQTT_CLIENT_ID`.
    pub client_id: String,
    /// `FIREHOSE_CONNECTOR_MQTT_USERNAME`.
    pub username: Option<String>,
    /// Content of `FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE`, without its line end.
    pub password: Option<Secret>,
    /// `FIREHOSE_CONNECTOR_MQTT_PROXY`.
    pub proxy: Option<Proxy>,
}

/// The IPC of AWS IoT Greengrass V2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greengrass {
    /// The nucleus's socket; may be relative to the working directory.
    pub socket: PathBuf,
    /// `SVCUID`: what this component is known by.
    pub token: Secret,
    /// `FIREHOSE_CONNECTOR_PUBSUB_TOPICS`: what is subscribed to.
    pub topics: Vec<PubsubTopic>,
    /// `FIREHOSE_CONNECTOR_STATUS_TO_IOT_CORE`: statuses go to AWS IoT Core, too.
    pub status_to_cloud: bool,
}

impl Greengrass {
    /// Largest status message, bytes: what nucleus lite carries.
    #[must_use]
    pub const fn status_bytes(&self) -> usize {
        if self.status_to_cloud { CLOUD_STATUS_BYTES } else { STATUS_BYTES }
    }
}

/// A topic of the component's `pubsubTopics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubsubTopic {
    /// It may have wildcards.
    pub filter: String,
    /// `IotCore` and not `Pubsub`: messages come from AWS IoT Core.
    pub cloud: bool,
}

/// TLS towards the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MqttTls {
    /// PEM file of the CAs to trust instead of the built-in Amazon roots.
    pub ca: Option<PathBuf>,
    /// Client certificate chain and key, both PEM files.
    pub client: Option<ClientCertificate>,
    /// ALPN protocol names, in order of preference; usually none.
    pub alpn: Vec<String>,
}

/// A client certificate for mutual TLS. A file that is not named, which is a problem, has an empty name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file: the certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM file: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// The service and the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aws {
    /// `AWS_ENDPOINT_URL_FIREHOSE`, else `AWS_ENDPOINT_URL`; `None`: from the ARN's region.
    pub endpoint_url: Option<EndpointUrl>,
    /// Which of the two.
    pub endpoint_variable: Option<&'static str>,
    /// `AWS_USE_FIPS_ENDPOINT`: the region's FIPS endpoint; no effect on a given endpoint.
    pub use_fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`: the region's endpoint with IPv6; no effect on a given endpoint.
    pub use_dual_stack: bool,
    /// `HTTPS_PROXY`, for all that is reached by `https`.
    pub proxy: Option<Proxy>,
    /// `AWS_CA_BUNDLE`: PEM file of CAs trusted beside the built-in Amazon roots.
    pub ca_bundle: Option<PathBuf>,
    /// The sources of credentials.
    pub credentials: CredentialSettings,
}

/// A proxy that makes connections (HTTP `CONNECT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is.
    pub endpoint: EndpointUrl,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<Secret>,
    /// The secrets of the login, in all forms in which a proxy may repeat them.
    pub login: Vec<Secret>,
    /// The variable that names it.
    pub variable: &'static str,
    /// `NO_PROXY`: what is reached without it.
    pub exceptions: NoProxy,
}

/// `http://` or `https://`, host and port; the path, if any, is `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    /// TLS or not.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port; by default 80, or 443 with TLS.
    pub port: u16,
}

impl EndpointUrl {
    /// Value of the `Host` header: brackets round an IPv6 address, no default port.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { tls, host, port } = self;
        if *port == if *tls { 443 } else { 80 } { bracketed(host) } else { host_and_port(host, *port) }
    }
}

/// `host:port`, with brackets round an IPv6 address: in messages and in requests.
#[must_use]
pub fn host_and_port(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// The sources of credentials that the variables name. No file is read yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialSettings {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    pub environment: Option<EnvironmentKeys>,
    /// `AWS_DEFAULT_PROFILE`, else `AWS_PROFILE`, else `default`.
    pub profile: String,
    /// The variables that name the credentials file, the configuration file and the profile, if they are set. What is named is
    /// waited for.
    pub named: [Option<&'static str>; 3],
    /// `AWS_SHARED_CREDENTIALS_FILE`, else `$HOME/.aws/credentials`; `None` without either.
    pub credentials_file: Option<PathBuf>,
    /// `AWS_CONFIG_FILE`, else `$HOME/.aws/config`; `None` without either.
    pub config_file: Option<PathBuf>,
    /// Built from `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, else `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    pub container: Option<ContainerSettings>,
    /// The AWS IoT credentials provider, from `FIREHOSE_CONNECTOR_IOT_*`.
    pub iot: Option<IotSettings>,
    /// The instance metadata service of EC2; `None`: `AWS_EC2_METADATA_DISABLED`.
    pub ec2: Option<EndpointUrl>,
    /// Whether a variable asks for it; otherwise it is tried by default.
    pub ec2_is_named: bool,
    /// A variable that asks for a web identity, which is not supported.
    pub web_identity: Option<&'static str>,
    /// Whether `credential_process` of a profile may be run: a confined process runs no other.
    pub may_run_processes: bool,
}

impl CredentialSettings {
    /// Whether a variable asks for the role of an EC2 instance.
    #[must_use]
    pub const fn asks_ec2(&self) -> bool {
        self.ec2.is_some() && self.ec2_is_named
    }

    /// The variable that asks for a web identity, if the SDKs would use it: keys in the environment take precedence.
    #[must_use]
    pub fn passed_over(&self) -> Option<&'static str> {
        self.web_identity.filter(|_| self.environment.is_none())
    }
}

/// The AWS IoT credentials provider, which trusts device certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IotSettings {
    /// `FIREHOSE_CONNECTOR_IOT_ENDPOINT`, always with TLS.
    pub endpoint: EndpointUrl,
    /// `FIREHOSE_CONNECTOR_IOT_ROLE_ALIAS`, fit for a path.
    pub role_alias: String,
    /// `FIREHOSE_CONNECTOR_IOT_THING_NAME`, fit for a header.
    pub thing_name: Option<String>,
    /// The device certificate: `FIREHOSE_CONNECTOR_IOT_CERT` and `_KEY`, or else the broker's.
    pub client: ClientCertificate,
    /// The names of the two variables that name it.
    pub variables: [&'static str; 2],
}

/// Keys given in the environment itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentKeys {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`
    pub session_token: Option<Secret>,
}

/// The container credentials endpoint (ECS, Greengrass V2's token exchange service).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSettings {
    /// Where to ask.
    pub endpoint: EndpointUrl,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// How to authorise.
    pub authorization: Option<ContainerAuthorization>,
}

/// The value of the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerAuthorization {
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`
    Token(Secret),
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, read again for each request; it takes precedence over the token.
    TokenFile(PathBuf),
}
