"""Start, stop, and the long wait in between."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from parts.broker import Mosquitto
from parts.client import Client
from parts.connector import BINARY, STREAM, Connector, definition, run
from parts.waiting import PATIENCE, end, free_port, quickest, until


def hold(client, count):
    """Has the connector hold `count` records: the answer to an invalid one comes after them."""
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(count))
    client.send_all([client.publish("kinesisfirehose/message", b"mark")])
    client.wait_entries(1)


def test_with_the_service_away_it_ends_in_time_and_says_what_was_left(connect, client, standin):
    standin.set_faults(down=True)

    def stop():
        client.payloads.clear()
        connector = connect(FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
        hold(client, 123)
        started = time.monotonic()
        assert connector.stop() == 0
        taken = time.monotonic() - started
        assert "error: 123 records were not sent" in connector.log(), connector.log()
        client.wait_entries(124)
        return taken

    quickest(stop, 10)


def test_with_the_service_hanging_it_says_what_may_have_been_stored(connect, client, standin):
    standin.set_faults(every_request=1, request_fault="timeout")
    connector = connect(definition(PublishInterval="900"), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(500))
    until(lambda: standin.state()["requests"] >= 1, "a request")
    hold(client, 23)
    assert connector.stop(within=60) == 0
    assert "error: 23 records were not sent" in connector.log(), connector.log()
    assert "error: 500 records were not confirmed by the service and may have been stored" in connector.log()
    entries = client.wait_entries(524)[1:]
    assert {entry["ErrorCode"] for entry in entries} == {"Stopped"}
    assert sum("may have been delivered" in entry["ErrorMessage"] for entry in entries) == 500


def test_statuses_wait_for_a_broker_that_comes_back_while_it_stops(connect, client, standin, broker):
    connector = connect(definition(PublishInterval="900"), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
    hold(client, 300)
    broker.stop()
    connector.wait_log("broker not connected")
    # The broker is back before the service has answered, so that statuses have all of their time.
    standin.set_faults(latency_ms=3000)
    connector.process.send_signal(signal.SIGTERM)
    broker.start()
    assert connector.process.wait(PATIENCE) == 0
    assert standin.wait_accepted(300)["repeated"] == 0
    assert "info: stopped: 301 received, 300 succeeded, 1 failed" == connector.log()[-1]


def test_statuses_that_no_broker_takes_are_counted_when_it_stops(connect, client, standin, broker):
    connector = connect(definition(PublishInterval="900"), FIREHOSE_CONNECTOR_ACKNOWLEDGE="held")
    hold(client, 389)
    broker.stop()
    connector.wait_log("broker not connected")
    start = time.monotonic()
    assert connector.stop() == 0
    assert 2 <= time.monotonic() - start < 10
    assert standin.wait_accepted(389)["repeated"] == 0
    assert "error: 389 statuses were not confirmed by the broker" == connector.log()[-1]


def test_without_pending_statuses_it_waits_for_no_broker(tmp_path, connectors, standin):
    def stop():
        connector = connectors(free_port(), standin.url)
        connector.wait_log("broker not connected")
        start = time.monotonic()
        assert connector.stop() == 0
        return time.monotonic() - start

    quickest(stop, 2)


def test_it_starts_with_nothing_reachable_and_waits(tmp_path, connectors, standin):
    standin.set_faults(down=True)
    broker = Mosquitto(tmp_path)
    connector = connectors(broker.port, standin.url)
    connector.wait_line("warn: broker not connected, trying on: .* refuses connections: .*")
    broker.start()
    client = Client(broker.port)
    until(lambda: broker.subscriptions("connector") >= 2, "the connector's subscriptions", within=60)
    client.send("x", "a")
    connector.wait_line(f"warn: delivery stream {STREAM} waits, trying on: .* refuses connections: .*")
    standin.heal()
    (entry,) = client.wait_entries(1, within=60)
    assert entry["status"] == "success"
    client.close()
    end(broker.process)


def test_it_starts_without_a_name_server(tmp_path, connectors, standin):
    """A name that cannot be resolved is a broker that is not there yet."""
    environment = {"FIREHOSE_CONNECTOR_MQTT_URL": "mqtt://broker.invalid:1883"}
    connector = connectors(free_port(), standin.url, **environment)
    connector.wait_line(r"warn: broker not connected, trying on: broker\.invalid:1883 (has no address|cannot be looked up).*")
    assert connector.alive()
    assert connector.stop() == 0


def test_the_log_does_not_grow_while_the_service_is_down(connect, client, standin):
    standin.set_faults(every_request=1, request_fault="unavailable")
    connector = connect()
    client.send("x", "a")
    until(lambda: standin.state()["requests"] >= 2, "a second attempt")
    lines = len(connector.log())
    for number in range(200):
        client.send("x", f"id {number}")
    until(lambda: standin.state()["requests"] >= 6, "a sixth attempt", within=120)
    grown = connector.log()[lines:]
    assert len(grown) <= 2, grown
    standin.heal()
    client.wait_entries(201, within=180)


def test_a_record_leaves_no_line_in_the_log(connect, client, standin):
    connector = connect()
    client.send("x", "first")
    client.wait_entries(1)
    lines = len(connector.log())
    client.send_all(client.send(f"payload {number}", f"id {number}") for number in range(500))
    client.wait_entries(501)
    assert len(connector.log()) - lines <= 1, connector.log()[lines:]
    assert not any("payload" in line for line in connector.log())


def test_no_secret_is_ever_logged(connect, client, standin):
    """At whatever level, a refusal by the service included."""
    keys = {"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYSECRET", "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjSESSION"}
    standin.set_faults(every_request=2)
    connector = connect(FIREHOSE_CONNECTOR_LOG="trace", **keys)
    for number in range(2):
        client.send("x", f"a{number}")
        client.wait_entries(number + 1, within=60)
    assert connector.stop() == 0
    log = "\n".join(connector.log())
    assert "debug: " in log, "the level is in force"
    assert not [name for name, secret in keys.items() if secret in log], log


def test_a_definition_with_several_mistakes_names_them_all_and_exits_78(tmp_path):
    document = definition(DeliveryStreamQueueSize="1999", PublishIntervall="10", MemorySize="64 MB")
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(document))
    for command in ["check", "run"]:
        result = run([command, "--definition", file])
        assert result.returncode == 78, result
        for words in ["DeliveryStreamQueueSize", "1999", "PublishIntervall", "PublishInterval", "MemorySize"]:
            assert words in result.stderr


def test_too_little_memory_is_refused_with_the_least_that_works(tmp_path, connectors, connect, client):
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(definition(MemorySize="1000")))
    result = run(["check", "--definition", file])
    assert result.returncode == 78, result
    numbers = [int(word) for word in result.stderr.replace(",", " ").replace("`", " ").split() if word.isdigit()]
    least = next(number for number in numbers if number > 1000)
    file.write_text(json.dumps(definition(MemorySize=str(least))))
    assert run(["check", "--definition", file]).returncode == 0
    file.write_text(json.dumps(definition(MemorySize=str(least - 1))))
    assert run(["check", "--definition", file]).returncode == 78
    connect(definition(MemorySize=str(least)))
    client.send("x", "a")
    assert client.wait_entries(1)[0]["status"] == "success"


def test_a_wrong_command_line_exits_64():
    assert run(["walk"]).returncode == 64
    assert run(["run", "--definitely", "x"]).returncode == 64


def test_help_names_every_setting():
    result = run(["--help"])
    assert result.returncode == 0
    for name in ["FIREHOSE_CONNECTOR_MQTT_URL", "AWS_ENDPOINT_URL_FIREHOSE", "FIREHOSE_CONNECTOR_DEFINITION"]:
        assert name in result.stdout


def test_the_v2_component_s_names_suffice_without_a_definition(tmp_path, broker, client, standin):
    connector = Connector(tmp_path, broker.port, standin.url, "")
    environment = {name: value for name, value in connector.environment.items()}
    environment |= {"DEFAULT_DELIVERY_STREAM_ARN": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/from-v2"}
    environment |= {"DELIVERY_STREAM_QUEUE_SIZE": "5000", "PUBLISH_INTERVAL": "1"}
    result = run(["check"], environment)
    assert result.returncode == 0, result


@pytest.mark.host_only
def test_too_little_data_memory_from_the_system_is_refused_at_the_start(tmp_path):
    """It would end in the middle of its work, with all that it holds."""
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(definition()))
    for limit, words in [("--data=12000000:12000000", "12000000"), ("--as=20000000", "20000000")]:
        command = ["prlimit", limit, BINARY, "check", "--definition", file]
        result = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
        assert result.returncode == 78, result
        assert f"MemorySize \"65535\": needs more memory than the {int(words) // 1024} KB" in result.stderr


@pytest.mark.host_only
@pytest.mark.parametrize("inherited", [60, 200])
def test_files_that_were_left_open_for_it_leave_room_for_its_own(inherited, tmp_path, broker, client, standin):
    connector = Connector(tmp_path, broker.port, standin.url, definition())
    left = [os.open("/dev/null", os.O_RDONLY) for _ in range(inherited)]
    connector.start(pass_fds=left)
    for file in left:
        os.close(file)
    until(lambda: broker.subscriptions("connector") >= 2, "the connector's subscriptions")
    client.send("x", "a")
    assert client.wait_entries(1)[0]["status"] == "success"
    assert connector.stop() == 0


TOO_FEW_FILES = r"the system allows 20 open files, \d+ are needed \(ulimit -n, LimitNOFILE=\)"


@pytest.mark.host_only
def test_too_few_open_files_are_refused_with_the_number_that_is_needed(tmp_path, broker, standin):
    connector = Connector(tmp_path, broker.port, standin.url, definition())
    connector.start(under=["prlimit", "--nofile=20:20"])
    assert connector.process.wait(10) == 78
    assert re.fullmatch(f"error: {TOO_FEW_FILES}", connector.log()[-1])


@pytest.mark.host_only
@pytest.mark.parametrize("options", [[], ["--json"], ["--online"]], ids=["check", "as JSON", "online"])
def test_a_check_finds_too_few_open_files_as_a_start_does(options, tmp_path):
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(definition()))

    def check(limit):
        command = ["prlimit", limit, BINARY, "check", *options, "--definition", file]
        environment = {"PATH": os.environ["PATH"], "FIREHOSE_CONNECTOR_MQTT_URL": "mqtt://127.0.0.1:9"}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr

    status, text = check("--nofile=20:20")
    assert status == 78 and re.search(TOO_FEW_FILES, text), text
    # What the process may raise by itself is no fault.
    assert check("--nofile=20:1024")[0] != 78
    status, text = check("--stack=81920:81920")
    assert status == 78 and "the system allows 80 KB of stack, 160 are needed (ulimit -s, LimitSTACK=)" in text, text


@pytest.mark.host_only
def test_a_small_stack_grows_as_far_as_it_may(tmp_path, broker, standin, client):
    """It would overflow, which ends the process silently."""
    connector = Connector(tmp_path, broker.port, standin.url, definition(PublishInterval="0"))
    connector.start(under=["prlimit", "--stack=65536:8388608"])
    connector.wait_log("broker connected, session")
    client.send("x", "a")
    client.wait_entries(1)
    assert connector.stop() == 0
