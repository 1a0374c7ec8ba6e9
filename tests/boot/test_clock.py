"""The service on a device whose clock passes the end of 32-bit time."""

import json
from contextlib import ExitStack

from machine import Machine, settings
from parts.client import Client
from parts.connector import definition
from parts.service import Standin
from parts.waiting import until
from surroundings import Surroundings

END = 2**31
# Seconds before that, enough to boot. A 32-bit kernel does not take a later time from its battery-backed clock.
EARLIER = "2038-01-19T03:13:38"


def now(machine):
    """Seconds since 1970 as the system has it; its `date` may know 32-bit time only."""
    return int(machine.run("grep btime /proc/stat").split()[1]) + machine.uptime()


def test_when_32_bit_time_ends_records_are_delivered_as_before(tmp_path, target):
    with ExitStack() as parts:
        surroundings = Surroundings(tmp_path)
        parts.callback(surroundings.close)
        standin = Standin()
        parts.callback(standin.close)
        environment = settings(surroundings.plain(standin.url))
        configuration = {"connectors.json": json.dumps(definition()), "environment": environment}
        machine = Machine(tmp_path, target, configuration, clock=EARLIER)
        parts.callback(machine.close)
        surroundings.wait_subscribed()
        assert END - 60 < now(machine) < END
        pid = machine.pid()
        until(lambda: now(machine) > END + 1, "32-bit time to end", within=60)
        client = Client(surroundings.broker.port)
        parts.callback(client.close)
        client.send("late", "late")
        (entry,) = client.wait_entries(1, within=60)
        assert (entry["id"], entry["status"]) == ("late", "success"), entry
        assert machine.pid() == pid
