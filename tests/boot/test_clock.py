"""The service on a device whose clock was never set, jumps, or passes the end of 32-bit time."""

import json
import time
from contextlib import ExitStack
from datetime import date, timedelta

import pytest

from machine import Machine, settings
from parts.client import Client
from parts.connector import CLIENT_ID, definition
from parts.service import Standin
from parts.waiting import until
from surroundings import Surroundings
from tls_site import TlsSite

END = 2**31
# Seconds before that, enough to boot. A 32-bit kernel does not take a later time from its battery-backed clock.
EARLIER = "2038-01-19T03:12:38"

# The battery is empty, or there is none.
NEVER_SET = "1970-01-01"
# Seconds that records wait for their batch.
INTERVAL = 5


def now(machine):
    """Seconds since 1970 as the system has it; its `date` may know 32-bit time only."""
    return int(machine.run("grep btime /proc/stat").split()[1]) + machine.uptime()


def test_when_32_bit_time_ends_records_are_delivered_as_before(tmp_path, small_system):
    with ExitStack() as parts:
        surroundings = Surroundings(tmp_path)
        parts.callback(surroundings.close)
        standin = Standin()
        parts.callback(standin.close)
        environment = settings(surroundings.plain(standin.url))
        configuration = {"connectors.json": json.dumps(definition()), "environment": environment}
        machine = Machine(tmp_path, small_system, configuration, clock=EARLIER)
        parts.callback(machine.close)
        surroundings.wait_subscribed()
        assert END - 120 < now(machine) < END
        pid = machine.pid()
        until(lambda: now(machine) > END + 1, "32-bit time to end", within=180)
        client = Client(surroundings.broker.port)
        parts.callback(client.close)
        client.send("late", "late")
        (entry,) = client.wait_entries(1, within=60)
        assert (entry["id"], entry["status"]) == ("late", "success"), entry
        assert machine.pid() == pid


@pytest.fixture(scope="module")
def site(tmp_path_factory, small_system):
    """A device whose clock was never set; the certificates of broker and service begin today."""
    with ExitStack() as parts:
        folder = tmp_path_factory.mktemp("boot")
        today = {"age": timedelta()}
        yield TlsSite(parts, folder, small_system, authority=today, interval=INTERVAL, clock=NEVER_SET)


def test_at_1970_without_a_time_service_records_are_delivered_over_tls(site):
    site.deliver("at 1970")
    assert now(site.machine) < 3600


@pytest.mark.parametrize("day", ["2037-01-01", str(date.today())], ids=["2037", "today"])
def test_steps_of_the_clock_by_years_move_no_deadline_and_refuse_no_certificate(site, day):
    pid, connections = site.machine.pid(), site.broker.connections(CLIENT_ID)
    started = time.monotonic()
    name = f"while it becomes {day}"
    site.client.send(name, name)
    site.machine.run(f"date -s '{day} 00:00:00'")
    (entry,) = site.client.wait_answered(name)
    assert entry["status"] == "success", entry
    assert INTERVAL <= time.monotonic() - started <= 4 * INTERVAL
    # Another handshake, which knows nothing of the one before.
    site.broker.stop()
    site.broker.start()
    until(lambda: site.broker.connections(CLIENT_ID) > connections, "the connector to be back", within=120)
    site.client.wait_subscribed()
    site.deliver(f"at {day}")
    assert site.machine.pid() == pid
