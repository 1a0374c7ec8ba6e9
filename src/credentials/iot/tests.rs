//! A credentials provider on loopback that wants a device certificate.

use std::path::Path;

use super::*;
use crate::foreign::Secret;
use crate::{
    clock::Clock,
    config::{ClientCertificate, EndpointUrl},
    test_support::{Ca, Endpoint, Folder, http_reply},
};

const VARIABLES: [&str; 2] = ["FIREHOSE_CONNECTOR_IOT_CERT", "FIREHOSE_CONNECTOR_IOT_KEY"];
const REPLY: &str = r#"{"credentials":{"accessKeyId":"ASIADEVICE","secretAccessKey":"s","sessionToken":"t",
    "expiration":"2018-01-18T09:18:06Z"}}"#;

struct Site {
    ca: Ca,
    folder: Folder,
    tls: Tls,
}

impl Site {
    fn new() -> Self {
        let (ca, folder) = (Ca::new(), Folder::new());
        let bundle = folder.write("ca.pem", ca.pem());
        let tls = Tls::for_service(Some(&bundle), &Clock::default()).unwrap();
        let site = Self { ca, folder, tls };
        site.new_certificate(&site.ca);
        site
    }

    /// Puts a device certificate of this CA where the settings say.
    fn new_certificate(&self, ca: &Ca) {
        let device = ca.issue("device", (2000, 2100));
        self.folder.write("device.pem", device.certificate_pem());
        self.folder.write("device.key", device.key_pem());
    }

    async fn provider(&self, reply: String) -> Endpoint {
        Endpoint::serve_tls(&self.ca.issue("localhost", (2000, 2100)), &self.ca, reply).await
    }

    async fn ask(&self, provider: &Endpoint, thing_name: Option<&str>) -> Result<Credentials, IotError> {
        let file = |name: &str| self.folder.path().join(name);
        let settings = IotSettings {
            endpoint: EndpointUrl { tls: true, host: "localhost".to_owned(), port: provider.url().port },
            role_alias: "gateway-role=1@x_y".to_owned(),
            thing_name: thing_name.map(str::to_owned),
            client: ClientCertificate { certificate: file("device.pem"), key: file("device.key") },
            variables: VARIABLES,
        };
        credentials(&settings, &Route::default(), &self.tls).await
    }
}

#[tokio::test]
async fn a_device_with_a_certificate_is_given_credentials() {
    let site = Site::new();
    let provider = site.provider(http_reply("200 OK", REPLY)).await;
    let found = site.ask(&provider, Some("gateway-7")).await.unwrap();
    assert_eq!(
        (found.access_key_id.as_str(), found.session_token.as_ref().map(Secret::expose)),
        ("ASIADEVICE", Some("t"))
    );
    assert!(found.expires_at.is_some());
    let request = provider.request().await;
    assert!(request.starts_with("GET /role-aliases/gateway-role=1@x_y/credentials HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nx-amzn-iot-thingname: gateway-7\r\n"), "{request}");
}

#[tokio::test]
async fn without_a_thing_name_there_is_no_header_for_it() {
    let site = Site::new();
    let provider = site.provider(http_reply("200 OK", REPLY)).await;
    site.ask(&provider, None).await.unwrap();
    assert!(!provider.request().await.contains("thingname"));
}

#[tokio::test]
async fn a_new_certificate_is_used_from_the_next_request_on() {
    let site = Site::new();
    site.new_certificate(&Ca::new());
    let provider = site.provider(http_reply("200 OK", REPLY)).await;
    site.ask(&provider, None).await.unwrap_err();
    site.new_certificate(&site.ca);
    let provider = site.provider(http_reply("200 OK", REPLY)).await;
    site.ask(&provider, None).await.unwrap();
}

#[tokio::test]
async fn a_refusal_says_what_to_look_at() {
    let site = Site::new();
    let body = r#"{"message":"Access Denied"}"#;
    let provider = site.provider(http_reply("403 Forbidden", body)).await;
    let error = site.ask(&provider, None).await.unwrap_err().to_string();
    for part in ["answers 403", "iot:AssumeRoleWithCertificate", "FIREHOSE_CONNECTOR_IOT_THING_NAME", ": Access Denied"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn an_answer_without_credentials_is_named() {
    let site = Site::new();
    for body in ["{}", "<html>sign in here</html>", r#"{"credentials":{"accessKeyId":"A"}}"#, r#"{"credentials":7}"#] {
        let provider = site.provider(http_reply("200 OK", body)).await;
        let error = site.ask(&provider, None).await.unwrap_err();
        assert!(error.to_string().ends_with("answers with something else than credentials"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_gone_is_named_with_its_variable() {
    let site = Site::new();
    std::fs::remove_file(site.folder.path().join("device.pem")).unwrap();
    let error = site.ask(&Endpoint::closed().await, None).await.unwrap_err().to_string();
    assert!(error.starts_with("FIREHOSE_CONNECTOR_IOT_CERT: "), "{error}");
    assert!(
        Path::new(error.split(": ").nth(1).unwrap()).starts_with(site.folder.path()) || error.contains("device.pem")
    );
}
