"""Every signal that ends a process by default, and what becomes of it."""

import fcntl
import os
import pty
import signal
import termios

import pytest

from parts.connector import Connector, definition
from parts.waiting import PATIENCE, free_port, until

ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, signal.SIGXCPU]
# These say that the program has a fault, or are not asked.
FAULTS = [signal.SIGKILL, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS]
# By default nothing, or a stop.
HARMLESS = [
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGURG,
    signal.SIGWINCH,
]
# 32 and 33 are the C library's own.
SURVIVED = sorted(set(range(1, 65)) - set(ENDING) - set(FAULTS) - set(HARMLESS) - {32, 33})


def held(connect, client, count=300):
    """A connector that holds `count` records, which are not due for long."""
    connector = connect(definition(PublishInterval="900"))
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(count))
    client.send_all([client.publish("kinesisfirehose/message", b"mark")])
    client.wait_entries(1)
    return connector


@pytest.mark.parametrize("how", ENDING)
def test_a_signal_that_ends_it_drains_what_is_held(how, connect, client, standin):
    connector = held(connect, client)
    assert standin.state()["requests"] == 0
    assert connector.stop(how=how) == 0
    client.wait_entries(301)
    assert standin.wait_accepted(300)["repeated"] == 0


@pytest.mark.host_only
def test_no_other_signal_ends_it_or_loses_a_record(connect, client, standin):
    connector = held(connect, client)
    for number in SURVIVED:
        connector.process.send_signal(number)
    connector.wait_log("^info: counters .*\"held\":300")
    connector.wait_log("^info: SIGHUP is ignored: keys in files are read again by themselves, all else at a start$")
    connector.wait_log(f"^info: signal {int(signal.SIGUSR2)} is ignored$")
    assert standin.state()["requests"] == 0
    assert connector.stop() == 0
    client.wait_entries(301)
    # Of a burst ten are logged.
    assert sum("ignored" in line for line in connector.log()) == 10, connector.log()
    assert not any("signal 13" in line or "signal 25" in line for line in connector.log())


@pytest.mark.host_only
def test_signals_from_before_the_first_instruction_are_heard(tmp_path, connectors, standin):
    """They are pending while the program is loaded: its parent has blocked them."""
    folder = tmp_path / "early"
    folder.mkdir()
    connector = Connector(folder, free_port(), standin.url, definition())

    def send():
        early = [signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM]
        signal.pthread_sigmask(signal.SIG_BLOCK, early)
        for number in early:
            os.kill(os.getpid(), number)

    connector.start(preexec_fn=send)
    assert connector.process.wait(PATIENCE) == 0
    words = "\n".join(connector.log())
    assert "info: counters {" in words and "info: SIGHUP is ignored" in words and "info: stopped: 0 received" in words


@pytest.mark.host_only
def test_sigusr1_ends_nothing_that_is_not_ready_yet(tmp_path, standin):
    connector = Connector(tmp_path, free_port(), standin.url, "no definition").start()
    until(lambda: not connector.alive() or blocked(connector, signal.SIGUSR1), "the first instruction of main")
    connector.process.send_signal(signal.SIGUSR1)
    assert connector.process.wait(PATIENCE) == 78


def blocked(connector, which):
    """Whether the signal waits until the process reads it."""
    try:
        with open(f"/proc/{connector.process.pid}/status", encoding="ascii") as status:
            mask = next(line.split()[1] for line in status if line.startswith("SigBlk:"))
    except (OSError, StopIteration):
        return False
    return int(mask, 16) >> (which - 1) & 1


@pytest.mark.host_only
def test_a_terminal_that_closes_ends_it_and_nothing_is_lost(tmp_path, broker, client, standin):
    ours, theirs = pty.openpty()
    connector = Connector(tmp_path, broker.port, standin.url, definition(PublishInterval="900"))
    connector.start(
        stdin=theirs, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    )
    os.close(theirs)
    try:
        connector.wait_log("broker connected")
        client.send_all(client.send(f"record {number}", f"id {number}") for number in range(10))
        client.send_all([client.publish("kinesisfirehose/message", b"mark")])
        client.wait_entries(1)
        os.close(ours)
        assert connector.process.wait(PATIENCE) == 0
        client.wait_entries(11)
        assert standin.wait_accepted(10)["repeated"] == 0
    finally:
        connector.close()
