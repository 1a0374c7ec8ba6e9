"""The service as init runs it, from a boot without a network to power-off, with TLS to a broker and to moto."""

import json
import re
from contextlib import ExitStack

import pytest

from parts.client import MESSAGE
from parts.connector import CLIENT_ID
from parts.waiting import until
from systems import NAME, Debian
from tls_site import TlsSite

# When the cable is plugged in, seconds since boot, and how soon the connector must have followed.
CABLE = 20
FOLLOWS = 2


@pytest.fixture(scope="module")
def site(tmp_path_factory, system):
    with ExitStack() as parts:
        yield TlsSite(parts, tmp_path_factory.mktemp("boot"), system, cable=False)


def test_the_service_starts_without_a_network_and_follows_within_two_seconds(site, system, figures):
    machine = site.machine
    machine.run(f"while read -r up _ </proc/uptime && [ ${{up%%.*}} -lt {CABLE} ]; do sleep 0.2; done", within=60)
    assert machine.pid()
    machine.sample()
    machine.set_cable(True)
    connected = machine.connected(site.surroundings.tls_port, within=90)
    network = float(machine.run("cat /run/network"))
    figures.add("network up to the connection with the broker", system, round(connected - network, 1), "s", FOLLOWS)
    site.surroundings.wait_subscribed()
    site.deliver("first record")
    figures.add("network up to the first delivered record", system, round(machine.uptime() - network, 1), "s")
    figures.add("from boot to that: peak resident", system, machine.peak())
    assert connected - network <= FOLLOWS


@pytest.fixture
def show(site, system):
    """Asks systemd for a property of the service."""
    if not isinstance(system, Debian):
        pytest.skip("another init")
    return lambda name: site.machine.run(f"systemctl show --property {name} --value {NAME}")


def test_systemd_has_it_enabled_ready_watched_and_bounded(site, show, system, figures):
    wanted = {
        "UnitFileState": "enabled",
        "Type": "notify",
        "ActiveState": "active",
        "SubState": "running",
        "NRestarts": "0",
        "WatchdogUSec": "1min",
        "MemoryMax": str(80 * 1024 * 1024),
    }
    assert {name: show(name) for name in wanted} == wanted
    assert re.search(r"broker connected.* 1 received, 1 succeeded, 0 failed, 0 held", show("StatusText")), show("StatusText")
    group = f"/sys/fs/cgroup/{show('ControlGroup')}"
    assert int(site.machine.run(f"cat {group}/memory.max")) == 80 * 1024 * 1024
    peak = int(site.machine.run(f"cat {group}/memory.peak")) // 1024
    figures.add("the same by its control group (kernel's memory and page cache included)", system, peak, limit=80 * 1024)


def test_systemd_rates_it_at_2_of_10_or_lower(site, show, system, figures):
    rating = site.machine.run(f"systemd-analyze security --no-pager --threshold=20 {NAME}", within=60)
    (exposure,) = re.findall(r"Overall exposure level for .*: ([0-9.]+)", rating)
    figures.add("exposure by systemd-analyze", system, float(exposure), "of 10", 2.0)


def started_again(site, signal):
    """Sends the connector a signal and waits until it is back."""
    before = site.broker.subscriptions(CLIENT_ID)
    pid = site.machine.pid()
    site.machine.run(f"kill -{signal} {pid}")
    until(lambda: site.broker.subscriptions(CLIENT_ID) >= before + 2, "the connector to be back", within=60)
    assert site.machine.pid() != pid


def test_after_a_kill_it_is_started_again_and_delivers(site):
    started_again(site, "KILL")
    site.deliver("after kill")


def test_systemd_restarted_it_once(show):
    assert (show("NRestarts"), show("ActiveState")) == ("1", "active")


def test_systemd_notices_when_it_hangs(site, show):
    before = site.broker.subscriptions(CLIENT_ID)
    # A minute would do the same.
    site.machine.write("/run/systemd/system/firehose-connector.service.d/test.conf", "[Service]\nWatchdogSec=4s\n")
    site.machine.run(f"systemctl daemon-reload && systemctl restart {NAME}", within=60)
    site.surroundings.wait_subscribed(before)
    started_again(site, "STOP")
    assert any("Watchdog timeout" in line for line in site.machine.log())
    site.deliver("after hanging")


def test_power_off_sends_what_is_held(site):
    machine = site.machine
    names = [f"held {number}" for number in range(20)]
    site.client.send_all(site.client.send(name, name) for name in names)
    # It is answered at once, so those before it have been read; what has not been is left at the broker.
    site.client.publish(MESSAGE, json.dumps({"request": {}, "id": "wrong"}))
    until(lambda: "wrong" in [entry["id"] for entry in site.client.entries()], "the answer to a wrong message")
    machine.power_off()
    site.client.wait_answered(*names)
    entries = [entry for entry in site.client.entries() if entry["id"] in names]
    assert len(entries) == len(names), entries
    for entry in entries:
        assert entry["status"] == "success" or entry["ErrorCode"] == "Stopped", entry
    log = machine.log()
    assert any(site.machine.system.stopped in line for line in log)
    assert any("info: stopped: " in line for line in log)
    assert not any("error: " in line for line in log)
