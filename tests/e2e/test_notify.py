"""Notifications to the service manager through NOTIFY_SOCKET."""

import os
import signal
import socket
import time

import pytest

from parts.connector import Connector, definition
from parts.pipe import fill
from parts.waiting import free_port, until

# Seconds: short, so that the tests are; what they expect is a share or a multiple of it.
WATCHDOG = 0.4


class ServiceManager:
    """The socket's other end."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)
        self.messages = []

    def environment(self, watchdog=None):
        environment = {"NOTIFY_SOCKET": str(self.path)}
        if watchdog:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1_000_000))
        return environment

    def heard(self):
        """All messages so far, each as a dictionary."""
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return self.messages
            self.messages.append(dict(line.split("=", 1) for line in text.splitlines()))

    def wait(self, condition, what):
        return until(lambda: next(filter(condition, self.heard()), None), what)

    def signs_of_life(self):
        return sum("WATCHDOG" in message for message in self.heard())


@pytest.fixture
def manager(tmp_path):
    manager = ServiceManager(tmp_path)
    yield manager
    manager.socket.close()


def test_it_is_ready_with_nothing_reachable(manager, connectors, standin):
    connectors(free_port(), standin.url, **manager.environment())
    first = manager.wait(lambda _: True, "a message")
    assert first["READY"] == "1"
    assert first["STATUS"].startswith("broker not connected, nothing sent yet; 0 received")


def test_the_status_line_shows_broker_service_and_counters(manager, connect, client, standin):
    standin.set_faults(every_request=1, request_fault="unavailable")
    connector = connect(**manager.environment())
    manager.wait(lambda message: message["STATUS"].startswith("broker connected, nothing sent yet"), "the broker")
    client.send("x", "a")
    manager.wait(lambda message: "trying on; 1 received, 0 succeeded, 0 failed, 1 held" in message["STATUS"], "a failure")
    standin.heal()
    manager.wait(lambda message: "takes records; 1 received, 1 succeeded" in message["STATUS"], "a success")
    assert not any("STOPPING" in message for message in manager.heard())
    assert connector.stop() == 0
    assert manager.heard()[-1]["STOPPING"] == "1"
    assert len(manager.heard()) <= 6, manager.heard()


def test_an_idle_loop_gives_signs_of_life_but_not_many(manager, connectors, standin):
    connector = connectors(free_port(), standin.url, **manager.environment(WATCHDOG))
    start = time.monotonic()
    until(lambda: manager.signs_of_life() >= 10, "signs of life")
    assert connector.stop() == 0
    in_time = (time.monotonic() - start) / (WATCHDOG / 2)
    changes = 3
    assert manager.signs_of_life() <= in_time + changes


def test_no_sign_of_life_comes_from_a_process_that_does_not_run(manager, connectors, standin):
    connector = connectors(free_port(), standin.url, **manager.environment(WATCHDOG))
    until(lambda: manager.signs_of_life() >= 2, "signs of life")
    connector.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, connector.process.pid, os.WSTOPPED | os.WNOWAIT)
    before = manager.signs_of_life()
    time.sleep(5 * WATCHDOG)
    assert manager.signs_of_life() == before
    connector.process.send_signal(signal.SIGCONT)
    until(lambda: manager.signs_of_life() > before, "a sign of life")


def test_a_log_that_is_not_read_hangs_no_loop(tmp_path, manager, standin):
    """So that the watchdog has nothing to end."""
    connector = Connector(tmp_path, free_port(), standin.url, definition(), manager.environment(WATCHDOG))
    reader, writer = os.pipe()
    try:
        connector.start(log=writer)
        until(lambda: manager.signs_of_life() >= 2, "signs of life")
        fill(writer)
        # Its answer finds no room.
        connector.process.send_signal(signal.SIGUSR1)
        before = manager.signs_of_life()
        until(lambda: manager.signs_of_life() >= before + 10, "more signs of life")
        assert connector.stop() == 0
        assert manager.heard()[-1]["STOPPING"] == "1"
    finally:
        connector.close()
        os.close(reader)
        os.close(writer)
