//! The broker's variables, each at its edges.

use super::read;
use crate::config::{
    ClientCertificate, Mqtt, MqttTls, MqttVersion,
    problem::Problems,
    tests::{TempFile, environment, lines},
};

fn mqtt(variables: &[(&str, &str)]) -> Result<Mqtt, Vec<String>> {
    let mut problems = Problems::default();
    let mqtt = read(&environment(variables), &mut problems);
    match lines(problems.into_error()) {
        faults if faults.is_empty() => Ok(mqtt),
        faults => Err(faults),
    }
}

const TLS: (&str, &str) = ("FIREHOSE_CONNECTOR_MQTT_URL", "mqtts://broker.example");

#[test]
fn by_default_the_broker_is_on_this_machine() {
    let expected = Mqtt {
        host: "127.0.0.1".to_owned(),
        port: 1883,
        tls: None,
        version: None,
        client_id: "firehose-connector".to_owned(),
        username: None,
        password: None,
        proxy: None,
    };
    assert_eq!(mqtt(&[]), Ok(expected));
}

#[test]
fn the_url_gives_host_port_and_encryption() {
    for (url, host, port, encrypted) in [
        ("mqtt://broker", "broker", 1883, false),
        ("mqtt://broker/", "broker", 1883, false),
        ("mqtt://broker:8883", "broker", 8883, false),
        ("mqtts://broker", "broker", 8883, true),
        ("MQTTS://broker:443", "broker", 443, true),
        ("mqtt://[fd00::1]", "fd00::1", 1883, false),
        ("mqtts://[fd00::1]:8884", "fd00::1", 8884, true),
    ] {
        let mqtt = mqtt(&[("FIREHOSE_CONNECTOR_MQTT_URL", url)]).unwrap();
        assert_eq!((mqtt.host.as_str(), mqtt.port, mqtt.tls.is_some()), (host, port, encrypted), "{url}");
    }
}

#[test]
fn the_version_is_the_brokers_unless_it_is_named() {
    let version = |text| mqtt(&[("FIREHOSE_CONNECTOR_MQTT_VERSION", text)]).map(|mqtt| mqtt.version);
    for (text, expected) in
        [("auto", None), ("Auto", None), ("5", Some(MqttVersion::V5)), ("3.1.1", Some(MqttVersion::V3))]
    {
        assert_eq!(version(text), Ok(expected), "{text}");
    }
    for text in ["3", "4", "3.1", "5.0", "v5"] {
        let rule = format!("FIREHOSE_CONNECTOR_MQTT_VERSION \"{text}\": must be auto, 5 or 3.1.1");
        assert_eq!(version(text), Err(vec![rule]));
    }
}

#[test]
fn a_wrong_url_is_shown_with_an_example() {
    for (url, rule) in [
        ("broker:1883", "is not a URL of the form scheme://host:port"),
        ("tcp://broker", "must begin with mqtt:// or mqtts://"),
        ("mqtt://broker/topic", "must end after host and port"),
        ("mqtt://broker:0", "the port must be a number from 1 to 65535"),
        ("mqtt://fd00::1", "is not a URL of the form scheme://host:port"),
    ] {
        let example = "such as mqtt://127.0.0.1:1883 or mqtts://broker.example:8883";
        assert_eq!(
            mqtt(&[("FIREHOSE_CONNECTOR_MQTT_URL", url)]),
            Err(vec![format!("FIREHOSE_CONNECTOR_MQTT_URL {url:?}: {rule}, {example}")])
        );
    }
}

#[test]
fn a_signed_url_is_refused_and_not_shown() {
    let faults = mqtt(&[("FIREHOSE_CONNECTOR_MQTT_URL", "mqtts://broker/mqtt?X-Amz-Signature=hidden")]).unwrap_err();
    assert!(faults[0].starts_with("FIREHOSE_CONNECTOR_MQTT_URL: must end after host and port, such as"), "{faults:?}");
}

#[test]
fn a_login_in_the_url_is_refused_and_not_shown() {
    let expected = "FIREHOSE_CONNECTOR_MQTT_URL: must not hold a login: use FIREHOSE_CONNECTOR_MQTT_USERNAME and \
        FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE";
    for url in ["mqtt://user:hidden@broker", "user:hidden@broker", "mqtt://user:hid/den@broker", "mqtt://:@broker"] {
        assert_eq!(mqtt(&[("FIREHOSE_CONNECTOR_MQTT_URL", url)]), Err(vec![expected.to_owned()]));
    }
}

#[test]
fn tls_files_and_protocols_are_taken_as_they_are() {
    let tls = MqttTls {
        ca: Some("/ca.pem".into()),
        client: Some(ClientCertificate { certificate: "/cert.pem".into(), key: "/key.pem".into() }),
        alpn: vec!["x-amzn-mqtt-ca".to_owned(), "mqtt".to_owned()],
    };
    let variables = [
        TLS,
        ("FIREHOSE_CONNECTOR_MQTT_CA", "/ca.pem"),
        ("FIREHOSE_CONNECTOR_MQTT_CERT", "/cert.pem"),
        ("FIREHOSE_CONNECTOR_MQTT_KEY", "/key.pem"),
        ("FIREHOSE_CONNECTOR_MQTT_ALPN", "x-amzn-mqtt-ca, mqtt"),
    ];
    assert_eq!(mqtt(&variables).unwrap().tls, Some(tls));
    assert_eq!(mqtt(&[TLS]).unwrap().tls, Some(MqttTls::default()));
}

#[test]
fn certificate_and_key_go_together() {
    let [certificate, key] =
        [("FIREHOSE_CONNECTOR_MQTT_CERT", "/cert.pem"), ("FIREHOSE_CONNECTOR_MQTT_KEY", "/key.pem")];
    assert_eq!(
        mqtt(&[TLS, certificate]),
        Err(vec!["FIREHOSE_CONNECTOR_MQTT_CERT: needs FIREHOSE_CONNECTOR_MQTT_KEY beside it".to_owned()])
    );
    assert_eq!(
        mqtt(&[TLS, key]),
        Err(vec!["FIREHOSE_CONNECTOR_MQTT_KEY: needs FIREHOSE_CONNECTOR_MQTT_CERT beside it".to_owned()])
    );
    assert!(mqtt(&[TLS, certificate, key]).is_ok());
}

#[test]
fn a_key_where_its_file_should_be_named_is_not_shown() {
    let certificate = ("FIREHOSE_CONNECTOR_MQTT_CERT", "/cert.pem");
    for key in ["-----BEGIN PRIVATE KEY-----\nSECRET\n", "-----BEGIN PRIVATE KEY-----SECRET", &"MIGHSECRET".repeat(12)]
    {
        let faults = mqtt(&[TLS, certificate, ("FIREHOSE_CONNECTOR_MQTT_KEY", key)]).unwrap_err();
        let names = "FIREHOSE_CONNECTOR_MQTT_CERT and FIREHOSE_CONNECTOR_MQTT_KEY";
        let rule = "must be the names of two PEM files; one is not shown, because it may be the key itself";
        assert_eq!(faults, [format!("{names}: {rule}")]);
    }
}

#[test]
fn tls_settings_without_tls_are_a_fault() {
    for (name, value) in [("CA", "/ca"), ("ALPN", "mqtt")] {
        let name = format!("FIREHOSE_CONNECTOR_MQTT_{name}");
        assert_eq!(
            mqtt(&[(&name, value)]),
            Err(vec![format!("{name}: has no effect without mqtts:// in FIREHOSE_CONNECTOR_MQTT_URL")])
        );
    }
    let pair = [("FIREHOSE_CONNECTOR_MQTT_CERT", "/cert.pem"), ("FIREHOSE_CONNECTOR_MQTT_KEY", "/key.pem")];
    assert_eq!(mqtt(&pair).unwrap_err().len(), 2);
}

#[test]
fn an_alpn_name_has_1_to_255_bytes() {
    let longest = "a".repeat(255);
    assert!(mqtt(&[TLS, ("FIREHOSE_CONNECTOR_MQTT_ALPN", &longest)]).is_ok());
    for list in ["a,,b", "a,", ",", " ", &"a".repeat(256)] {
        let faults = mqtt(&[TLS, ("FIREHOSE_CONNECTOR_MQTT_ALPN", list)]).unwrap_err();
        assert!(faults[0].ends_with("must be names of 1 to 255 bytes, separated by commas"), "{faults:?}");
    }
}

#[test]
fn a_password_loses_one_line_end_and_nothing_else() {
    for (content, expected) in
        [("secret", "secret"), ("secret\n", "secret"), ("\u{feff}secret\r\n", "secret"), (" s\r", " s"), ("s ", "s ")]
    {
        let file = TempFile::new(content.as_bytes());
        let variables = [
            ("FIREHOSE_CONNECTOR_MQTT_USERNAME", "user"),
            ("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE", file.path().to_str().unwrap()),
        ];
        let mqtt = mqtt(&variables).unwrap();
        assert_eq!(mqtt.username.as_deref(), Some("user"));
        assert_eq!(mqtt.password.unwrap().expose(), expected);
    }
}

#[test]
fn a_password_needs_a_user_name_and_a_readable_file() {
    let file = TempFile::new(b"hidden");
    let path = file.path().to_str().unwrap();
    let fault = "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE: needs FIREHOSE_CONNECTOR_MQTT_USERNAME beside it";
    assert_eq!(mqtt(&[("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE", path)]), Err(vec![fault.to_owned()]));

    let user = ("FIREHOSE_CONNECTOR_MQTT_USERNAME", "user");
    let faults = mqtt(&[user, ("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE", "/etc/nonexistent")]).unwrap_err();
    let start = "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE \"/etc/nonexistent\": cannot be read: ";
    assert!(faults[0].starts_with(start), "{faults:?}");
    for password in ["hunter2", "hunter/2", "/hunter2/+x=", "two words"] {
        let faults = mqtt(&[user, ("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE", password)]).unwrap_err();
        let expected = "FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE: must be the name of a file that is there; it is not shown, \
            because it may be the password itself";
        assert_eq!(faults, [expected]);
    }
    for content in ["", "\n", "secret\n\n", "secret\0", "sec\rret"] {
        let file = TempFile::new(content.as_bytes());
        let path = file.path().to_str().unwrap();
        let faults = mqtt(&[user, ("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE", path)]).unwrap_err();
        let rule = "must hold one line with the password, without control characters";
        assert_eq!(faults, [format!("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE {path:?}: {rule}")]);
    }

    for content in [vec![b'x'; crate::limits::MQTT_FIELD_BYTES + 1], vec![0xff]] {
        let file = TempFile::new(&content);
        let path = file.path().to_str().unwrap();
        assert!(mqtt(&[user, ("FIREHOSE_CONNECTOR_MQTT_PASSWORD_FILE", path)]).is_err());
    }
}

#[test]
fn names_fit_into_an_mqtt_string() {
    for name in ["FIREHOSE_CONNECTOR_MQTT_CLIENT_ID", "FIREHOSE_CONNECTOR_MQTT_USERNAME"] {
        assert!(mqtt(&[(name, &"x".repeat(65_535))]).is_ok());
        let faults = mqtt(&[(name, &"x".repeat(65_536))]).unwrap_err();
        assert!(faults[0].ends_with("must be at most 65535 bytes"), "{faults:?}");
        assert!(mqtt(&[(name, "line\n")]).is_err());
    }
    assert_eq!(mqtt(&[("FIREHOSE_CONNECTOR_MQTT_CLIENT_ID", "gateway-7")]).unwrap().client_id, "gateway-7");
}
