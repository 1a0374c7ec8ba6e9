"""`check --online` on prepared faults of TLS: the right step fails with the right sentence, and the others do not."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from parts.certificates import Authority
from parts.doctor import Https, TlsBroker, is_only_fault


def test_a_broker_that_does_not_speak_tls(check, broker):
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtts://localhost:{broker.port}")
    is_only_fault(report, "broker-tls", "TLS.*check")


def test_a_broker_of_an_unknown_ca(tmp_path, check, ca, unknown_ca):
    with TlsBroker(tmp_path, unknown_ca, unknown_ca.issue("broker")) as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file)
    words = 'no trusted CA has signed, but "CN=Unknown CA": name the PEM file of its CA in FIREHOSE_CONNECTOR_MQTT_CA'
    is_only_fault(report, "broker-tls", words)


def test_a_broker_whose_certificate_has_expired(tmp_path, check, ca):
    day = datetime.timedelta(days=1)
    ended = (datetime.datetime.now(datetime.timezone.utc) - day).date().isoformat()
    with TlsBroker(tmp_path, ca, ca.issue("broker", left=-day)) as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file)
    is_only_fault(report, "broker-tls", f"expired on {ended}.*to this device it is .*renewed, or the clock")


def test_a_broker_with_a_certificate_for_another_name(tmp_path, check, ca):
    with TlsBroker(tmp_path, ca, ca.issue("broker", hosts=["broker.example"])) as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file)
    is_only_fault(report, "broker-tls", "certificate for another name: use a name that it lists.*broker.example")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"issuer_too": True}, r"cannot be used: it is a CA itself \(CA:TRUE\): a certificate for a server"),
        ({"ca_key": rsa.generate_private_key(65537, 1024)}, "its RSA key, or that of its CA, has 1024 bits, and 2048 to 8192"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "its RSA key, or that of its CA, has 1024 bits, and 2048 to 8192"),
        ({"digest": hashes.SHA512()}, "it is signed with ECDSA and SHA-512: have it signed with SHA-256"),
        ({"hosts": []}, "certificate for another name: use a name that it lists: it lists none, make one with a subjectAltName ->"),
        ({"hosts": ["a.example", "10.9.8.7"]}, "use a name that it lists: a.example, 10.9.8.7 ->"),
        ({"usage": x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH}, "it is not for servers: its extended key usage lacks serverAuth"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_broker_with_a_home_made_certificate(made, words, tmp_path, check):
    ca = Authority(tmp_path, key=made.get("ca_key"))
    leaf = ca.issue("broker", **{name: value for name, value in made.items() if name != "ca_key"})
    trusted = leaf.certificate if "issuer_too" in made else ca.file
    # OpenSSL would not use some of them.
    with TlsBroker(tmp_path, ca, leaf, "ciphers DEFAULT@SECLEVEL=0") as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=trusted)
    is_only_fault(report, "broker-tls", words)
    assert len(report.steps["broker-tls"]["found"]) < 300


def test_an_expired_client_certificate_is_reported_with_its_file_and_day(tmp_path, check, ca):
    day = datetime.timedelta(days=1)
    ended = (datetime.datetime.now(datetime.timezone.utc) - day).date().isoformat()
    device = ca.issue("device", left=-day)
    certificate = {"FIREHOSE_CONNECTOR_MQTT_CERT": device.certificate, "FIREHOSE_CONNECTOR_MQTT_KEY": device.key}
    with TlsBroker(tmp_path, ca, ca.issue("broker"), "require_certificate true") as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file, **certificate)
    words = f"our client certificate has expired: renew it.*FIREHOSE_CONNECTOR_MQTT_CERT: {device.certificate}, whose last day is {ended}"
    is_only_fault(report, "broker-login", words, warned=["configuration"])
    assert report.steps["broker-login"]["advice"] is None


@pytest.mark.parametrize(
    ("own", "words"),
    [(False, "asks for a client certificate.*MQTT_CERT"), (True, "does not accept our client certificate")],
)
def test_a_broker_that_wants_another_client_certificate(own, words, tmp_path, check, ca, unknown_ca):
    """With TLS 1.3 it says so only in answer to the login."""
    device = unknown_ca.issue("device")
    certificate = {"FIREHOSE_CONNECTOR_MQTT_CERT": device.certificate, "FIREHOSE_CONNECTOR_MQTT_KEY": device.key}
    with TlsBroker(tmp_path, ca, ca.issue("broker"), "require_certificate true") as url:
        urls = {"FIREHOSE_CONNECTOR_MQTT_URL": url, "FIREHOSE_CONNECTOR_MQTT_CA": ca.file}
        report = check(**urls, **(certificate if own else {}))
    is_only_fault(report, "broker-login", words)


def test_a_proxy_that_intercepts_tls(tmp_path, check, unknown_ca):
    with Https(tmp_path, unknown_ca) as proxy:
        report = check(AWS_ENDPOINT_URL_FIREHOSE=proxy.url)
    words = 'no trusted CA has signed, but "CN=Unknown CA": name the PEM file of its CA in AWS_CA_BUNDLE'
    is_only_fault(report, "service-tls", words)
