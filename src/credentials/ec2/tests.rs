//! A metadata service on loopback.

use tokio::time::Instant;

use super::*;
use crate::foreign::Secret;
use crate::{
    clock::Clock,
    test_support::{Endpoint, http_reply},
};

const ROLE: &str = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t",
    "Expiration":"2018-01-18T09:18:06Z"}"#;

async fn ask(endpoint: &Endpoint) -> Result<Credentials, Ec2Error> {
    credentials(&endpoint.url(), &Route::default(), &Tls::for_service(None, &Clock::default()).unwrap()).await
}

async fn answers(bodies: &[&str]) -> Endpoint {
    Endpoint::serve_each(bodies.iter().map(|body| http_reply("200 OK", body)).collect()).await
}

#[tokio::test]
async fn the_token_opens_the_role_and_that_its_credentials() {
    let endpoint = answers(&["TOKEN==", "gateway\n", ROLE]).await;
    let found = ask(&endpoint).await.unwrap();
    assert_eq!((found.access_key_id.as_str(), found.session_token.as_ref().map(Secret::expose)), ("ASIA", Some("t")));
    assert!(found.expires_at.is_some());
    let put = endpoint.request().await;
    assert!(put.starts_with("PUT /latest/api/token HTTP/1.1\r\n"), "{put}");
    assert!(put.contains("\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), "{put}");
    for path in [ROLES.to_owned(), format!("{ROLES}gateway")] {
        let get = endpoint.request().await;
        assert!(get.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{get}");
        assert!(get.contains("\r\nx-aws-ec2-metadata-token: TOKEN==\r\n"), "{get}");
    }
}

#[tokio::test]
async fn an_instance_without_a_role_is_distinguished_from_a_device() {
    assert!(matches!(ask(&answers(&["token", ""]).await).await, Err(Ec2Error::NoRole)));
    assert!(matches!(ask(&answers(&["token", "<html> </html>"]).await).await, Err(Ec2Error::NoRole)));
    let failed = r#"{"Code":"AssumeRoleUnauthorizedAccess","AccessKeyId":"A","SecretAccessKey":"s"}"#;
    let error = ask(&answers(&["token", "role", failed]).await).await.unwrap_err();
    assert!(crate::error_chain::error_chain(&error).ends_with("Code is not \"Success\""), "{error}");
    assert!(matches!(ask(&Endpoint::closed().await).await, Err(Ec2Error::Endpoint(_))));
}

#[tokio::test(start_paused = true)]
async fn without_a_metadata_service_the_answer_is_quick() {
    let before = Instant::now();
    assert!(matches!(ask(&Endpoint::silent().await).await, Err(Ec2Error::TimedOut)));
    assert_eq!(before.elapsed(), EC2_TIMEOUT);
}
