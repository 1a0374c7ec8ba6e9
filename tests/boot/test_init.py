"""The service as init runs it, from a boot without a network to power-off, with TLS to a broker and to moto."""

from contextlib import ExitStack

import pytest

from parts.connector import CLIENT_ID
from parts.waiting import until
from tls_site import TlsSite

# When the cable is plugged in, seconds since boot, and how soon the connector must have followed.
CABLE = 20
FOLLOWS = 2


@pytest.fixture(scope="module")
def site(tmp_path_factory, target):
    with ExitStack() as parts:
        yield TlsSite(parts, tmp_path_factory.mktemp("boot"), target, cable=False)


def test_the_service_starts_without_a_network_and_follows_within_two_seconds(site, target, figures):
    machine = site.machine
    machine.run(f"while read -r up _ </proc/uptime && [ ${{up%%.*}} -lt {CABLE} ]; do sleep 0.2; done", within=60)
    assert machine.pid()
    machine.sample()
    machine.set_cable(True)
    connected = machine.connected(site.surroundings.tls_port, within=90)
    network = float(machine.run("cat /run/network"))
    figures.add("network up to the connection with the broker", target, round(connected - network, 1), "s", FOLLOWS)
    site.surroundings.wait_subscribed()
    site.deliver("first record")
    figures.add("network up to the first delivered record", target, round(machine.uptime() - network, 1), "s")
    figures.add("from boot to that: peak resident", target, machine.peak())
    assert connected - network <= FOLLOWS


def test_killed_it_is_started_again_and_delivers(site):
    before = site.broker.subscriptions(CLIENT_ID)
    pid = site.machine.pid()
    site.machine.run(f"kill -9 {pid}")
    until(lambda: site.broker.subscriptions(CLIENT_ID) >= before + 2, "the connector to be back", within=60)
    assert site.machine.pid() != pid
    site.deliver("after kill")


def test_power_off_sends_what_is_held(site):
    machine = site.machine
    names = [f"held {number}" for number in range(20)]
    before = len(site.client.entries())
    site.client.send_all(site.client.send(name, name) for name in names)
    machine.power_off()
    entries = site.client.wait_entries(before + len(names))[before:]
    assert sorted(entry["id"] for entry in entries) == sorted(names)
    for entry in entries:
        assert entry["status"] == "success" or entry["ErrorCode"] == "Stopped", entry
    log = machine.log()
    assert "services have stopped" in log
    assert any("info: stopped: " in line for line in log)
    assert not any("error: " in line for line in log)
