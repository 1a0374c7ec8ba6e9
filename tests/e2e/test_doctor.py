"""`check --online` as a whole: what it prints, what it asks, and how long it may take."""

import json
import re
import socket

import pytest

from parts.connector import CLIENT_ID, definition
from parts.credentials import ACTIONS, user
from parts.doctor import BROKER, FIRST, SERVICE, STEP, Https, TlsBroker
from parts.service import arn


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


def test_a_line_has_what_was_found_and_what_to_do(check, standin):
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
    actions = ACTIONS[:1] if version == 1 else ACTIONS
    environment = user(moto, actions) | {"AWS_ENDPOINT_URL_FIREHOSE": moto.url}
    report = check("--send-test-record", document=document, **environment)
    assert report.code == 0
    assert re.search("stored, record id .+", report.steps["test-record"]["found"])
    record = json.loads(moto.arrived(stream))
    assert (record["firehose-connector"], record["client_id"]) == ("test record", CLIENT_ID)


def test_tls_on_both_sides_is_reported(tmp_path, check, ca):
    leaf = ca.issue("both")
    with TlsBroker(tmp_path, ca, leaf) as url, Https(tmp_path, ca) as moto:
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


def test_a_wrong_configuration_ends_with_78_and_nothing_is_asked(check, standin):
    report = check(document=definition(PublishInterval="901", MemorySize="1"), AWS_CA_BUNDLE="/no/such/file")
    assert report.code == 78
    found = report.steps["configuration"]["found"]
    assert "PublishInterval" in found and "AWS_CA_BUNDLE: /no/such/file cannot be read" in found
    assert f'{check.file}: MemorySize "1": must be at least ' in report.steps["memory"]["found"]
    assert {report.steps[step]["result"] for step in ["configuration", "memory"]} == {"fail"}
    assert {line["result"] for step, line in report.steps.items() if step not in ["configuration", "memory"]} == {"skip"}
    assert standin.state()["connections"] == 0


@pytest.mark.parametrize("tls", [False, True], ids=["without TLS", "with TLS"])
def test_peers_that_accept_and_say_nothing_are_not_waited_for_long(tls, check, standin):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    broker, service = (listener.getsockname()[1] for listener in listeners)
    urls = {
        "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt{'s' if tls else ''}://127.0.0.1:{broker}",
        "AWS_ENDPOINT_URL_FIREHOSE": f"http{'s' if tls else ''}://127.0.0.1:{service}",
    }
    report = check(**urls)
    words = {"broker-login": "the broker did not answer the login within 20 s; perhaps it speaks another version of MQTT", "firehose": "the service did not answer in time"}
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
