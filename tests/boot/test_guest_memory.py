"""Resident memory in a booted system, where no emulator's memory is counted with it. The figures are printed."""

import json
import re
from contextlib import ExitStack

import pytest

from machine import Machine, settings
from parts.client import Client
from parts.connector import CLIENT_ID, definition
from parts.service import Standin
from parts.waiting import until
from surroundings import Surroundings
from systems import binary

# KB, what a small gateway would give. Where that is too little, the least that works is taken.
MEMORY_SIZE = 4096
SIZES = [100, 1024, 10_000]


class Site:
    """A booted system with a connector, and what it speaks with."""

    def __init__(self, parts, folder, system):
        self.surroundings = Surroundings(folder)
        parts.callback(self.surroundings.close)
        self.standin = Standin()
        parts.callback(self.standin.close)
        environment = self.surroundings.plain(self.standin.url)
        configuration = {"connectors.json": json.dumps(definition()), "environment": settings(environment)}
        self.machine = Machine(folder, system, configuration | self.surroundings.files)
        parts.callback(self.machine.close)
        self.surroundings.wait_subscribed()

    def configure(self, environment):
        before = self.surroundings.broker.subscriptions(CLIENT_ID)
        self.machine.configure(environment)
        self.surroundings.wait_subscribed(before)


@pytest.fixture(scope="module")
def site(tmp_path_factory, small_system, figures):
    with ExitStack() as parts:
        site = Site(parts, tmp_path_factory.mktemp("boot"), small_system)
        figures.add("power on to a shell", small_system, round(site.machine.boot_seconds), "s")
        figures.add("program", small_system, binary(small_system.target).stat().st_size, "bytes", "binary_bytes")
        yield site


def test_idle_over_plain_mqtt(site, small_system, figures):
    resident, anonymous = site.machine.idle_memory()
    figures.add("idle, plain MQTT: resident", small_system, resident)
    figures.add("idle, plain MQTT: anonymous", small_system, anonymous)


def test_idle_over_tls_is_within_the_budget(site, small_system, figures):
    site.configure(site.surroundings.tls(site.standin.url))
    resident, anonymous = site.machine.idle_memory()
    limits = small_system.budget()
    figures.add("idle, TLS with a client certificate: resident", small_system, resident, limit="idle_tls_resident_kb")
    figures.add("idle, TLS with a client certificate: anonymous", small_system, anonymous, limit="idle_tls_anonymous_kb")
    assert resident <= limits["idle_tls_resident_kb"]
    assert anonymous <= limits["idle_tls_anonymous_kb"]


def memory_size(site, environment):
    """`MEMORY_SIZE`, or the least that the connector names when it refuses that."""
    site.machine.write("/tmp/environment", settings(environment | {"FIREHOSE_CONNECTOR_MEMORY_SIZE": MEMORY_SIZE}))
    answer = site.machine.run("set -a; . /tmp/environment; firehose-connector check", check=False)
    least = re.search(r"must be at least (\d+) \(KB\)", answer)
    return int(least[1]) if least else MEMORY_SIZE


def test_full_memory_stays_below_memory_size_and_everything_has_one_status(site, small_system, figures):
    environment = site.surroundings.tls(site.standin.url)
    size = memory_size(site, environment)
    site.standin.set_faults(down=True)
    site.configure(environment | {"FIREHOSE_CONNECTOR_MEMORY_SIZE": size})
    site.machine.sample()
    client = Client(site.surroundings.broker.port)
    sent = []

    def full():
        """Publishes some more; whether hundreds were rejected."""
        group = [f"record {len(sent) + number}" for number in range(60)]
        client.send_all(
            client.send_binary(name.encode().ljust(SIZES[number % len(SIZES)], b"."), name)
            for number, name in enumerate(group)
        )
        sent.extend(group)
        return len(client.entries()) >= 300

    until(full, "memory to be full", within=120)
    peak_down = site.machine.peak()
    site.standin.heal()
    entries = client.wait_entries(len(sent), within=300)
    client.close()
    peak = site.machine.peak()
    figures.add("memory full with the service down: peak resident", small_system, peak_down, limit=size)
    figures.add("drained after that: peak resident", small_system, peak, limit=size)
    assert peak < size
    assert sorted(entry["id"] for entry in entries) == sorted(sent)
    delivered = [entry["id"] for entry in entries if entry["status"] == "success"]
    assert {entry["ErrorCode"] for entry in entries if entry["status"] == "fail"} == {"MemoryFull"}
    assert site.standin.wait_accepted(len(delivered))["repeated"] == 0
    assert site.machine.idle_memory()[0] <= size
