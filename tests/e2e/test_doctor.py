"""`check --online` on prepared faults: the right step fails with the right sentence, and the others do not."""

import datetime
import json
import re
import socket
import threading
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from parts.broker import Mosquitto, RefusingBroker
from parts.certificates import Authority
from parts.connector import CLIENT_ID, definition, run
from parts.scripted import ScriptedBroker
from parts.service import Moto, arn
from parts.waiting import end, free_port
from test_iam import ContainerEndpoint, user

FIRST = ["configuration", "memory", "clock"]
BROKER = ["broker-dns", "broker-tcp", "broker-tls", "broker-login", "broker-subscribe", "broker-publish"]
IPC = ["ipc-socket", "ipc-token", "ipc-subscribe", "ipc-publish"]
SERVICE = ["credentials", "service-dns", "service-tcp", "service-tls", "firehose", "service-clock", "test-record"]
STEPS = FIRST + BROKER + IPC + SERVICE
ALLOWED = ["firehose:PutRecord", "firehose:PutRecordBatch"]

# A step of the doctor takes this long at most, and all of them together; limits::doctor.
STEP = 20
ALL = 110


class Check:
    """Runs the check between a healthy mosquitto and a healthy stand-in, but for what a test changes."""

    def __init__(self, folder, broker, standin):
        self.file = folder / "definition.json"
        self.environment = {
            "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://localhost:{broker.port}",
            "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID": CLIENT_ID,
            "AWS_ENDPOINT_URL_FIREHOSE": standin.url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        }

    def text(self, *options, document=None, **environment):
        """The exit status and what was printed."""
        self.file.write_text(json.dumps(document or definition()))
        environment = self.environment | environment
        environment = {name: value for name, value in environment.items() if value is not None}
        done = run(["check", "--definition", self.file, *options], environment, within=2 * ALL)
        assert done.stderr == ""
        for secret in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]:
            assert environment.get(secret, "no such text") not in done.stdout
        return done.returncode, done.stdout

    def __call__(self, *options, **arguments):
        """The exit status, and result, sentence and advice of each step."""
        code, text = self.text("--online", "--json", *options, **arguments)
        report = json.loads(text)
        assert report["exit_status"] == code
        assert [step["step"] for step in report["steps"]] == STEPS
        steps = {step.pop("step"): step for step in report["steps"]}
        assert {steps.pop(step)["result"] for step in IPC} == {"skip"}, "publishes come from a broker"
        return SimpleNamespace(code=code, steps=steps)


@pytest.fixture
def check(tmp_path, broker, standin):
    return Check(tmp_path, broker, standin)


@pytest.fixture
def ca(tmp_path):
    """The CA that the device trusts."""
    return Authority(tmp_path)


@pytest.fixture
def stranger(tmp_path):
    """A CA that nobody knows."""
    return Authority(tmp_path, "Interceptor CA")


def is_only_fault(report, faulty, words, warned=()):
    """This step fails with these words; what needs it is skipped, and everything else is well or warned of."""
    faults = {step: line for step, line in report.steps.items() if line["result"] == "fail"}
    assert list(faults) == [faulty], faults
    fault = faults[faulty]
    assert re.search(words, f"{fault['found']} -> {fault['advice']}"), fault
    assert report.code == 69
    for step, line in report.steps.items():
        side = next(side for side in [FIRST, BROKER, SERVICE] if step in side)
        if step == faulty or step in ["broker-tls", "service-tls", "test-record", "service-clock"]:
            continue
        if faulty in side and side.index(step) > side.index(faulty):
            # Whether the service is there can be seen without credentials; whether statuses are taken, without input.
            goes_on = faulty == "credentials" and step.startswith("service-") or faulty == "broker-subscribe"
            assert line["result"] == "skip" or goes_on, (step, line)
        else:
            assert line["result"] == ("warn" if step in warned else "ok"), (step, line)


# ---- all is well ----


def test_all_is_well_and_the_connector_at_work_is_not_disturbed(connect, broker, standin, client, check):
    connector = connect()
    standin.wait_accepted(0)
    report = check()
    assert report.code == 0
    skipped = {step for step, line in report.steps.items() if line["result"] == "skip"}
    assert skipped == {"broker-tls", "service-tls", "test-record"}
    assert {line["result"] for line in report.steps.values()} == {"ok", "skip"}
    assert "--send-test-record" in report.steps["firehose"]["found"]
    assert standin.state()["accepted"] == 0, "nothing is stored"
    client.send("record", "id 0")
    entries = client.wait_messages(2)
    assert entries[0] == {"response": []}, "the check's own status has no entries"
    assert entries[1]["response"][0]["status"] == "success"
    assert broker.connections(CLIENT_ID) == 1
    assert not connector.complaints()


def test_a_line_says_what_was_found_and_what_to_do(check, standin):
    code, text = check.text("--online")
    assert code == 0
    assert [line.split()[1] for line in text.splitlines() if line][:-1] == FIRST + BROKER + SERVICE
    assert text.endswith("\nall is well\n")
    standin.set_faults(down=True)
    code, text = check.text("--online")
    assert code == 69
    assert f"FAIL  service-tcp       127.0.0.1:{standin.port} refuses connections: check the port" in text
    assert text.endswith("\nfailed: service-tcp\n")


@pytest.mark.parametrize("version", [1, 5])
def test_a_test_record_arrives_by_the_two_actions_alone(version, moto, check):
    stream = moto.stream()
    document = definition(version, DefaultDeliveryStreamArn=arn(stream))
    actions = ALLOWED[:1] if version == 1 else ALLOWED
    environment = user(moto, actions) | {"AWS_ENDPOINT_URL_FIREHOSE": moto.url}
    report = check("--send-test-record", document=document, **environment)
    assert report.code == 0
    assert re.search("stored, record id .+", report.steps["test-record"]["found"])
    record = json.loads(moto.arrived(stream))
    assert (record["firehose-connector"], record["client_id"]) == ("test record", CLIENT_ID)


def test_tls_on_both_sides_is_told(tmp_path, check, ca):
    leaf = ca.issue("both")
    with tls_broker(tmp_path, ca, leaf) as url, Https(tmp_path, ca) as moto:
        document = definition(DefaultDeliveryStreamArn=arn(moto.stream()))
        keys = {name.upper(): value for name, value in moto.keys.items()}
        urls = {"FIREHOSE_CONNECTOR_MQTT_URL": url, "AWS_ENDPOINT_URL_FIREHOSE": moto.url}
        trust = {"FIREHOSE_CONNECTOR_MQTT_CA": ca.file, "AWS_CA_BUNDLE": ca.file}
        report = check(document=document, **keys, **urls, **trust)
    assert report.code == 0
    for step in ["broker-tls", "service-tls"]:
        assert report.steps[step]["found"].startswith("TLS 1.3, ")
    assert "knows the delivery stream" in report.steps["firehose"]["found"], "moto takes an empty batch"


def test_without_online_nothing_is_asked(check, standin):
    code, text = check.text("--json", FIREHOSE_CONNECTOR_MQTT_URL="mqtt://nowhere.invalid")
    report = json.loads(text)
    results = {step["step"]: step["result"] for step in report["steps"]}
    assert (code, report["exit_status"]) == (0, 0)
    assert [step for step, result in results.items() if result != "skip"] == ["configuration", "memory"]
    assert standin.state()["connections"] == 0


# ---- configuration ----


def test_a_wrong_configuration_ends_with_78_and_nothing_is_asked(check, standin):
    report = check(document=definition(PublishInterval="901", MemorySize="1"), AWS_CA_BUNDLE="/no/such/file")
    assert report.code == 78
    found = report.steps["configuration"]["found"]
    assert "PublishInterval" in found and "AWS_CA_BUNDLE: /no/such/file cannot be read" in found
    assert f'{check.file}: MemorySize "1": must be at least ' in report.steps["memory"]["found"]
    assert {report.steps[step]["result"] for step in ["configuration", "memory"]} == {"fail"}
    assert {line["result"] for step, line in report.steps.items() if step not in ["configuration", "memory"]} == {"skip"}
    assert standin.state()["connections"] == 0


# ---- the broker ----


def test_a_broker_whose_name_does_not_exist(check):
    report = check(FIREHOSE_CONNECTOR_MQTT_URL="mqtt://broker.invalid")
    is_only_fault(report, "broker-dns", "broker.invalid:1883 (has no address|cannot be looked up).*MQTT_URL")


def test_a_broker_that_does_not_listen(check):
    port = free_port()
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{port}")
    is_only_fault(report, "broker-tcp", f"127.0.0.1:{port} refuses connections: check the port")


def test_a_broker_that_does_not_speak_tls(check, broker):
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtts://localhost:{broker.port}")
    is_only_fault(report, "broker-tls", "TLS.*check")


def test_a_broker_of_an_unknown_ca(tmp_path, check, ca, stranger):
    with tls_broker(tmp_path, stranger, stranger.issue("broker")) as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file)
    words = 'no trusted CA has signed, but "CN=Interceptor CA": name the PEM file of its CA in FIREHOSE_CONNECTOR_MQTT_CA'
    is_only_fault(report, "broker-tls", words)


def test_a_broker_whose_certificate_has_ended(tmp_path, check, ca):
    day = datetime.timedelta(days=1)
    ended = (datetime.datetime.now(datetime.timezone.utc) - day).date().isoformat()
    with tls_broker(tmp_path, ca, ca.issue("broker", left=-day)) as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file)
    is_only_fault(report, "broker-tls", f"expired on {ended}.*to this device it is .*renewed, or the clock")


def test_a_broker_with_a_certificate_for_another_name(tmp_path, check, ca):
    with tls_broker(tmp_path, ca, ca.issue("broker", hosts=["broker.example"])) as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file)
    is_only_fault(report, "broker-tls", "certificate for another name: use a name that it lists.*broker.example")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"issuer_too": True}, r"cannot be used: it is a CA itself \(CA:TRUE\): a certificate for a server"),
        ({"ca_key": rsa.generate_private_key(65537, 1024)}, "its RSA key, or that of its CA, has 1024 bits, and 2048 to 8192"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "its RSA key, or that of its CA, has 1024 bits, and 2048 to 8192"),
        ({"digest": hashes.SHA512()}, "it is signed with ECDSA and SHA-512: have it signed with SHA-256"),
        ({"hosts": []}, "certificate for another name: use a name that it lists: none in a subjectAltName ->"),
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
    with tls_broker(tmp_path, ca, leaf, "ciphers DEFAULT@SECLEVEL=0") as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=trusted)
    is_only_fault(report, "broker-tls", words)
    assert len(report.steps["broker-tls"]["found"]) < 300


def test_a_client_certificate_that_has_ended_is_told_with_its_file_and_day(tmp_path, check, ca):
    day = datetime.timedelta(days=1)
    ended = (datetime.datetime.now(datetime.timezone.utc) - day).date().isoformat()
    device = ca.issue("device", left=-day)
    certificate = {"FIREHOSE_CONNECTOR_MQTT_CERT": device.certificate, "FIREHOSE_CONNECTOR_MQTT_KEY": device.key}
    with tls_broker(tmp_path, ca, ca.issue("broker"), "require_certificate true") as url:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=url, FIREHOSE_CONNECTOR_MQTT_CA=ca.file, **certificate)
    words = f"our client certificate has expired: renew it.*FIREHOSE_CONNECTOR_MQTT_CERT: {device.certificate}, whose last day is {ended}"
    is_only_fault(report, "broker-login", words, warned=["configuration"])
    assert report.steps["broker-login"]["advice"] is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x46", "the broker answers in TLS: write mqtts:// in FIREHOSE_CONNECTOR_MQTT_URL"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "answers in HTTP: check host and port"),
    ],
)
def test_something_else_than_a_broker(answer, words, check):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = listener.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{listener.getsockname()[1]}")
    is_only_fault(report, "broker-login", words)
    assert report.steps["broker-login"]["advice"] is None
    listener.close()


@pytest.mark.parametrize(
    ("own", "words"),
    [(False, "asks for a client certificate.*MQTT_CERT"), (True, "does not accept our client certificate")],
)
def test_a_broker_that_wants_another_client_certificate(own, words, tmp_path, check, ca, stranger):
    """With TLS 1.3 it says so only in answer to the login."""
    device = stranger.issue("device")
    certificate = {"FIREHOSE_CONNECTOR_MQTT_CERT": device.certificate, "FIREHOSE_CONNECTOR_MQTT_KEY": device.key}
    with tls_broker(tmp_path, ca, ca.issue("broker"), "require_certificate true") as url:
        urls = {"FIREHOSE_CONNECTOR_MQTT_URL": url, "FIREHOSE_CONNECTOR_MQTT_CA": ca.file}
        report = check(**urls, **(certificate if own else {}))
    is_only_fault(report, "broker-login", words)


def test_a_broker_that_speaks_an_older_version(check):
    broker = RefusingBroker("protocol version")
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    is_only_fault(report, "broker-login", "the broker speaks MQTT 3.1.1, but not the MQTT 5")
    broker.close()


def test_a_broker_that_refuses_the_login(tmp_path, check):
    with mosquitto(tmp_path, anonymous=False) as broker:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://localhost:{broker.port}")
    is_only_fault(report, "broker-login", "refuses the login .*FIREHOSE_CONNECTOR_MQTT_USERNAME")


def test_a_broker_that_knows_the_connector_s_client_id_alone(check):
    broker = RefusingBroker("client id", known=CLIENT_ID)
    url = {"FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}"}
    is_only_fault(check(**url), "broker-login", f"if only the client id.*--client-id {CLIENT_ID}")
    assert check("--client-id", CLIENT_ID, **url).code == 0
    broker.close()


def test_what_waits_in_the_connector_s_session_survives_a_check_by_its_client_id(connect, standin, client, check):
    connector = connect()
    connector.stop()
    client.send_all([client.send("waits", "id 0")])
    assert check("--client-id", CLIENT_ID).code == 0
    assert standin.state()["accepted"] == 0
    connector.start()
    client.wait_entries(1)
    assert standin.records() == [b"waits"]


def test_a_broker_that_refuses_the_subscription(check):
    broker = RefusingBroker("subscription")
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    words = "refuses the subscription to kinesisfirehose/message .not authorized.*let the client subscribe to"
    is_only_fault(report, "broker-subscribe", words)
    assert report.steps["broker-publish"]["result"] == "ok"
    broker.close()


def test_a_broker_that_refuses_statuses(tmp_path, check):
    rules = tmp_path / "acl"
    rules.write_text("topic read kinesisfirehose/#\n")
    rules.chmod(0o644)
    with mosquitto(tmp_path, more=f"acl_file {rules}") as broker:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://localhost:{broker.port}")
    words = "does not take statuses .not authorized.*let the client publish to kinesisfirehose/message/status"
    is_only_fault(report, "broker-publish", words)


def test_a_broker_that_throws_out_who_publishes(check):
    broker = RefusingBroker("publish")
    report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    is_only_fault(report, "broker-publish", "the broker ended the session .not authorized.*let the client publish")
    broker.close()


# ---- credentials ----


def test_no_credentials_and_the_service_is_there(check):
    report = check(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    is_only_fault(report, "credentials", "no AWS credentials, provide one of: AWS_ACCESS_KEY_ID")
    assert [report.steps[step]["result"] for step in ["service-dns", "service-tcp"]] == ["ok", "ok"]


def test_credentials_that_end_and_such_that_have_ended(check, standin):
    keys = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    unset = dict.fromkeys(keys)
    with ContainerEndpoint(keys, token="Basic c2VjcmV0") as endpoint:
        container = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": endpoint.token,
        }
        report = check(**unset, **container)
        assert report.steps["credentials"]["found"].endswith("key ASIAEXAMPLE, until 2099-01-01 00:00:00 UTC")
        assert report.code == 0
        code = {"code": "ExpiredTokenException", "message": "The security token included in the request is expired"}
        standin.set_faults(keys={"ASIAEXAMPLE": code})
        report = check(**unset, **container)
        is_only_fault(report, "firehose", "ExpiredTokenException: The security.*renewed")
    with ContainerEndpoint(keys, token="Basic c2VjcmV0", end="2026-01-01T00:00:00Z") as endpoint:
        container["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = endpoint.url
        report = check(**unset, **container)
        assert report.steps["credentials"]["result"] == "warn"
        assert "expired 2026-01-01 00:00:00 UTC, and to this device it is" in report.steps["credentials"]["found"]
        assert report.steps["firehose"]["result"] == "fail"
        container["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "wrong"
        report = check(**unset, **container)
        is_only_fault(report, "credentials", "answers 401 .check AWS_CONTAINER_AUTHORIZATION_TOKEN")


# ---- the service ----


def test_a_region_that_does_not_exist(check):
    region = arn("stream-name").replace("eu-west-1", "eu-nowhere-1")
    report = check(document=definition(DefaultDeliveryStreamArn=region), AWS_ENDPOINT_URL_FIREHOSE=None)
    words = "firehose.eu-nowhere-1.amazonaws.com:443 (has no address|cannot be looked up).*region in DefaultDeliveryStreamArn"
    is_only_fault(report, "service-dns", words)


def test_a_service_that_is_down(check, standin):
    standin.set_faults(down=True)
    is_only_fault(check(), "service-tcp", f"127.0.0.1:{standin.port} refuses connections")


def test_a_proxy_that_opens_tls(tmp_path, check, stranger):
    with Https(tmp_path, stranger) as proxy:
        report = check(AWS_ENDPOINT_URL_FIREHOSE=proxy.url)
    words = 'no trusted CA has signed, but "CN=Interceptor CA": name the PEM file of its CA in AWS_CA_BUNDLE'
    is_only_fault(report, "service-tls", words)


def test_a_captive_portal(check, standin):
    standin.set_faults(every_request=1, request_fault="portal")
    report = check("--send-test-record")
    is_only_fault(report, "firehose", "HTTP 200. is not the service's.*captive portal.*sign in.*<title>Sign in")
    assert report.steps["service-clock"]["result"] == "skip", "its time is not to be trusted"


REFUSALS = {
    "secret": "SignatureDoesNotMatch: The request signature .*check that the secret key belongs to the key",
    "key": "InvalidClientTokenId: The security token .* is invalid.*does not know this key",
    "permission": "AccessDenied: User: .* is not authorized to perform: firehose:PutRecordBatch.*allow firehose:Put",
    "stream": "ResourceNotFoundException: Firehose no-such-stream .*not found.*check name, region and account",
    "region": "ResourceNotFoundException: Firehose stream-.*not found.*check name, region and account",
}


@pytest.mark.parametrize("record", [(), ("--send-test-record",)], ids=["without a record", "with a record"])
@pytest.mark.parametrize("wrong", REFUSALS)
def test_a_request_that_moto_refuses(wrong, record, moto, check):
    stream = "no-such-stream" if wrong == "stream" else moto.stream()
    region = arn(stream).replace("eu-west-1", "us-west-2") if wrong == "region" else arn(stream)
    keys = user(moto, ["firehose:PutRecord"] if wrong == "permission" else ALLOWED)
    if wrong in ["secret", "key"]:
        keys["AWS_SECRET_ACCESS_KEY" if wrong == "secret" else "AWS_ACCESS_KEY_ID"] = "wrong"
    report = check(
        *record, document=definition(DefaultDeliveryStreamArn=region), AWS_ENDPOINT_URL_FIREHOSE=moto.url, **keys
    )
    is_only_fault(report, "firehose", REFUSALS[wrong])
    assert report.steps["test-record"]["result"] == "skip"
    if wrong not in ["stream", "region"]:
        assert moto.arrived(stream) == b""


def test_refusals_in_the_service_s_own_form(check, standin):
    refusal = {"code": "AccessDeniedException", "message": "User: x is not authorized to perform: firehose:PutRecordBatch"}
    standin.set_faults(keys={"AKIDEXAMPLE": refusal})
    is_only_fault(check(), "firehose", "AccessDeniedException: User: x .*allow firehose:PutRecordBatch on arn:aws:firehose")
    unknown = {"code": "UnrecognizedClientException", "message": "The security token included in the request is invalid."}
    standin.set_faults(keys={"AKIDEXAMPLE": unknown})
    is_only_fault(check(), "firehose", "UnrecognizedClientException.*does not know this key")
    standin.set_faults(every_request=1, request_fault="unavailable")
    is_only_fault(check(), "firehose", "ServiceUnavailableException: Slow down.*sends again by itself")


@pytest.mark.parametrize("hours", [-3, 30 * 24])
def test_a_clock_that_is_off_by_hours(hours, check, standin):
    standin.set_faults(clock_ahead_s=hours * 3600)
    report = check("--send-test-record")
    assert report.code == 0
    assert report.steps["firehose"]["result"] == report.steps["test-record"]["result"] == "ok"
    clock = report.steps["service-clock"]
    assert clock["result"] == "warn"
    (seconds,) = re.findall(r"signatures are corrected by (-?\d+) s", clock["found"])
    assert abs(int(seconds) - hours * 3600) <= 5
    assert len(standin.records()) == 1


def test_one_record_that_the_service_does_not_take(check, standin):
    standin.set_faults(every_record=1, record_code="InternalFailure")
    report = check("--send-test-record")
    is_only_fault(report, "test-record", "the service put the record off")


@pytest.mark.parametrize(
    ("connack", "suback", "lost"), [(b"", b"\0\0", "publishes"), (b"\x24\0", b"\0\0", "publishes and statuses")]
)
def test_a_broker_that_grants_qos_0_only_is_warned_of(connack, suback, lost, check):
    with ScriptedBroker(connack=lambda _: connack, suback=suback) as broker:
        report = check(FIREHOSE_CONNECTOR_MQTT_URL=f"mqtt://127.0.0.1:{broker.port}")
    assert report.code == 0
    line = report.steps["broker-subscribe"]
    assert line["result"] == "warn"
    assert line["found"].startswith(f"the broker grants QoS 0 only: {lost} are lost")
    assert "allow QoS 1" in line["advice"]


# ---- silence ----


@pytest.mark.parametrize("tls", [False, True], ids=["without TLS", "with TLS"])
def test_peers_that_accept_and_say_nothing_are_not_waited_for_long(tls, check, standin):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    broker, service = (listener.getsockname()[1] for listener in listeners)
    urls = {
        "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt{'s' if tls else ''}://127.0.0.1:{broker}",
        "AWS_ENDPOINT_URL_FIREHOSE": f"http{'s' if tls else ''}://127.0.0.1:{service}",
    }
    report = check(**urls)
    words = {"broker-login": "the broker did not answer the login within 20 s; perhaps it speaks MQTT 3.1.1 only", "firehose": "the service did not answer in time"}
    if tls:
        words = dict.fromkeys(["broker-tls", "service-tls"], "did not complete the TLS handshake in time")
    failed = {step: line for step, line in report.steps.items() if line["result"] == "fail"}
    assert list(failed) == list(words)
    for step, line in failed.items():
        assert re.search(words[step], line["found"]), line
        assert STEP * 1000 <= line["ms"] < 2 * STEP * 1000
    assert report.code == 69
    for listener in listeners:
        listener.close()


# ---- parts ----

LISTENER = """
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
{more}
"""


class mosquitto:
    """A broker of the test's own, ended with it."""

    def __init__(self, folder, **settings):
        folder = folder / "another-broker"
        folder.mkdir()
        self.broker = Mosquitto(folder, **settings)

    def __enter__(self):
        return self.broker.start()

    def __exit__(self, *_):
        end(self.broker.process)


class tls_broker(mosquitto):
    """One with a TLS listener; gives its URL."""

    def __init__(self, folder, ca, leaf, more=""):
        self.port = free_port()
        listener = LISTENER.format(port=self.port, ca=ca.file, certificate=leaf.certificate, key=leaf.key, more=more)
        super().__init__(folder, more=listener)

    def __enter__(self):
        super().__enter__()
        return f"mqtts://localhost:{self.port}"


class Https(Moto):
    """A moto behind TLS, or something that looks like one from outside."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
