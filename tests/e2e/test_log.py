"""The log: the form of a line, and readers that hang."""

import json
import os
import pty
import re
import signal
import termios
import time
from datetime import datetime, timezone

import pytest

from parts.connector import CLIENT_ID, TIME, Connector, definition
from parts.flapping import FlappingBroker, FlappingServer
from parts.pipe import full_pipe, full_socket, hung_terminal, stopped_terminal
from parts.waiting import PATIENCE, free_port, until

LOST = re.compile(r"(\d+) lines of the log could not be written")


def read_all(reader):
    """What is there to be read."""
    os.set_blocking(reader, False)
    read = b""
    try:
        while chunk := os.read(reader, 1 << 16):
            read += chunk
    except BlockingIOError:
        pass
    return read.decode(errors="replace")


@pytest.mark.host_only
@pytest.mark.parametrize("kind", [full_pipe, full_socket, hung_terminal, stopped_terminal])
def test_a_log_that_is_not_read_blocks_nothing_and_lost_lines_are_counted(kind, tmp_path, broker, client, standin):
    connector = Connector(tmp_path, broker.port, standin.url, definition())
    with kind() as (reader, writer, fill):
        try:
            connector.start(log=writer)
            until(lambda: broker.subscriptions(CLIENT_ID) >= 2, "the connector's subscriptions")
            client.send("x", "before")
            client.wait_entries(1)
            read_all(reader)
            fill()
            # Lines that find no room.
            for _ in range(3):
                connector.process.send_signal(signal.SIGUSR1)
                client.send("x", "after")
            client.wait_entries(4)
            if kind is stopped_terminal:
                termios.tcflow(writer, termios.TCOON)
            words = []
            # Nothing else happens that would have it write a line.
            until(lambda: words.append(read_all(reader)) or LOST.search("".join(words)), "the number of lines lost")
            lost = int(LOST.search("".join(words))[1])
            assert 1 <= lost <= 3, words
            fill()
            assert connector.stop() == 0
        finally:
            connector.close()


@pytest.mark.host_only
def test_a_blocked_log_does_not_delay_the_exit_for_a_wrong_configuration(tmp_path):
    connector = Connector(tmp_path, free_port(), "http://127.0.0.1:9", "no definition")
    with full_pipe() as (_, writer, fill):
        fill()
        assert connector.start(log=writer).process.wait(PATIENCE) == 78


@pytest.mark.host_only
def test_a_full_disk_and_a_closed_reader_block_nothing(tmp_path, broker, client, standin):
    reader, gone = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    for number, log in enumerate([full, gone], 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        connector = Connector(folder, broker.port, standin.url, definition()).start(log=log)
        try:
            until(lambda: broker.subscriptions(CLIENT_ID) >= 2 * number, "the connector's subscriptions")
            client.send("x", "a")
            client.wait_entries(number)
            assert connector.stop() == 0
        finally:
            connector.close()
        os.close(log)


def lines(connector):
    connector.wait_log("broker connected")
    assert connector.stop() == 0
    return connector.raw_log()


def test_a_line_in_a_file_begins_with_the_time(connect):
    before = datetime.now(timezone.utc)
    text = lines(connect())
    assert all(re.match(TIME.pattern + r"(info|warn): ", line) for line in text), text
    said = datetime.fromisoformat(text[0].split()[0].replace("Z", "+00:00"))
    assert abs((said - before).total_seconds()) < 30
    assert not any("\x1b" in line for line in text)


def test_the_time_is_the_services_once_it_is_known(connect, client, standin):
    """The system's clock is an hour behind."""
    standin.set_faults(clock_ahead_s=3600)
    connector = connect()
    client.send("x", "a")
    client.wait_entries(1)
    connector.wait_log("the system's clock is wrong")
    text = lines(connector)
    times = [datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")) for line in text]
    assert 3500 < (times[-1] - times[0]).total_seconds() < 3700, text


def test_json_is_an_object_for_each_line(connect):
    objects = [json.loads(line) for line in lines(connect(FIREHOSE_CONNECTOR_LOG_FORMAT="json"))]
    assert all(list(line) == ["time", "level", "message"] for line in objects)
    assert (objects[-1]["level"], objects[-1]["message"]) == ("info", "stopped: 0 received, 0 succeeded, 0 failed")
    assert all(TIME.fullmatch(line["time"] + " ") for line in objects)


def test_what_is_wrong_with_the_configuration_has_the_form_of_the_log(tmp_path):
    document = definition(DeliveryStreamQueueSize="1", MemorySize="64 MB")
    connector = Connector(tmp_path, free_port(), "http://127.0.0.1:9", document, {"FIREHOSE_CONNECTOR_LOG_FORMAT": "json"})
    assert connector.start().process.wait(PATIENCE) == 78
    objects = [json.loads(line) for line in connector.raw_log()]
    assert [line["level"] for line in objects] == ["error"] * 2, objects
    assert "DeliveryStreamQueueSize" in objects[0]["message"] and "MemorySize" in objects[1]["message"]


@pytest.mark.host_only
def test_journald_gets_priorities_and_nobody_else_who_has_inherited_its_variable(tmp_path, standin):
    file = tmp_path / "journal"
    file.touch()
    stat = file.stat()
    for stream, begins in [(f"{stat.st_dev}:{stat.st_ino}", "<6>info: stopped"), ("1:2", "20")]:
        connector = Connector(tmp_path, free_port(), standin.url, definition(), {"JOURNAL_STREAM": stream})
        with file.open("wb") as log:
            connector.start(log=log)
        until(lambda: "broker not connected" in file.read_text(), "the first lines")
        assert connector.stop() == 0
        text = file.read_text().splitlines()
        assert text[-1].startswith(begins), text
        assert any(line.startswith("<4>warn: broker not connected") for line in text) == (begins != "20"), text


@pytest.mark.host_only
def test_a_terminal_has_colours_unless_they_are_not_wanted(tmp_path, standin):
    for name, coloured in [("UNRELATED", True), ("NO_COLOR", False)]:
        ours, theirs = pty.openpty()
        connector = Connector(tmp_path, free_port(), standin.url, definition(), {name: "1"})
        connector.start(log=theirs)
        os.close(theirs)
        words = []
        try:
            until(lambda: words.append(os.read(ours, 1 << 16).decode()) or "not connected" in "".join(words), "a line")
        finally:
            connector.close()
            os.close(ours)
        assert ("\x1b[33mwarn\x1b[0m: broker not connected" in "".join(words)) == coloured, words


def test_peers_that_come_and_go_with_a_new_reason_each_time_leave_a_short_log(tmp_path, connectors):
    """Broker, service and credentials endpoint change their minds several times a second, in many lines each."""
    seconds = 15
    broker, service, endpoint = FlappingBroker(), FlappingServer.service(), FlappingServer.credentials()
    connector = connectors(
        broker.port,
        service.url,
        definition(PublishInterval="0"),
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        AWS_CONTAINER_CREDENTIALS_FULL_URI=endpoint.url + "/",
    )
    start = time.monotonic()
    until(lambda: time.monotonic() - start > seconds and service.answers > 100, "a hundred answers", within=120)
    minutes = (time.monotonic() - start) / 60
    text = connector.log()
    kinds = 7
    assert len(text) <= 1 + kinds * (10 + minutes + 1), f"{len(text)} lines of {service.answers} answers"
    assert all(re.match(r"(info|warn|error): ", line) for line in text), "no line but the connector's own"
    assert connector.stop() == 0
