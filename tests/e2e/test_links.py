"""Bad links between connector and service: slow, far, lossy, and dead for a while."""

import os
import re

import pytest

from parts.broker import Mosquitto
from parts.client import Client
from parts.connector import CLIENT_ID, Connector, definition
from parts.link import FAR, Link
from parts.service import Standin
from parts.waiting import end, until

pytestmark = [
    pytest.mark.host_only,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root only"),
]


class Site:
    """Broker, application and connector on the near side, the service on the far side of a link."""

    def __init__(self, folder, link, **parameters):
        self.link = link
        with link.far():
            self.standin = Standin(FAR)
        with link.near():
            self.broker = Mosquitto(folder).start()
            self.client = Client(self.broker.port)
            document = definition(**parameters)
            self.connector = Connector(folder, self.broker.port, self.standin.url, document).start()
        until(lambda: self.broker.subscriptions(CLIENT_ID) >= 2, "the connector's subscriptions")

    def close(self):
        self.client.close()
        self.connector.close()
        end(self.broker.process)
        self.standin.close()

    def state(self):
        with self.link.far():
            return self.standin.state()

    def wait_all(self, sent, within):
        """Each record has one status, success, and was accepted; more than once only where an answer was lost."""
        entries = self.client.wait_entries(len(sent), within)
        assert sorted(entry["id"] for entry in entries) == sorted(sent)
        assert {entry["status"] for entry in entries} == {"success"}
        state = self.state()
        assert state["refused_requests"] == 0, state
        assert state["accepted"] - state["repeated"] == len(sent), state
        return state


@pytest.fixture
def site(tmp_path):
    sites = []

    def start(link, **parameters):
        sites.append(link)
        sites.append(Site(tmp_path, link, **parameters))
        return sites[-1]

    yield start
    for part in reversed(sites):
        part.close()


def test_a_slow_link_with_high_latency_and_losses_delivers_everything_once(site):
    site = site(Link(rate=64_000, delay=0.75, loss=0.05), PublishInterval="5")
    sizes = [100, 1_000, 20_000]
    sent = [f"record {number}" for number in range(30)]
    site.client.send_all(
        site.client.send_binary(name.encode().ljust(sizes[number % 3], b"."), name) for number, name in enumerate(sent)
    )
    state = site.wait_all(sent, within=300)
    assert state["repeated"] == 0, state


def test_a_dead_link_is_noticed_and_used_again_when_it_is_back(site):
    link = Link(rate=10_000_000, delay=0.01)
    site = site(link)
    site.client.send("before", "before")
    site.client.wait_entries(1)
    link.loss = 1.0
    site.client.send("meanwhile", "meanwhile")
    line = site.connector.wait_log(r"moved no byte|did not answer in time", within=120)
    assert re.search(r"60 s|check the network", line), line
    link.loss = 0.0
    state = site.wait_all(["before", "meanwhile"], within=120)
    assert state["repeated"] == 0, state
