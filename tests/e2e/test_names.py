"""Names of hosts, with name servers of all kinds: the C library's resolver, glibc here and musl in the static binaries, is part
of what is tested."""

import re

import pytest

from parts.broker import Mosquitto
from parts.connector import CLIENT_ID, RUNNER, Connector, definition
from parts.names import SILENCE, NameServer, why_not
from parts.waiting import end, until

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

HERE, HERE_6 = "127.0.0.1", "::1"
NAME = "broker.example"
# Without records nobody asks for it.
SERVICE = f"http://{HERE}:9"


@pytest.fixture
def site(tmp_path):
    """Starts name server, broker and connector; returns a function that takes what NAME has, and the name to connect to."""
    parts = []

    def start(a, aaaa, host=NAME, listens_on=HERE, **more):
        names = NameServer(tmp_path, {NAME: (a, aaaa)}, **more)
        parts.append(names.close)
        broker = Mosquitto(tmp_path)
        text = broker.configuration.read_text()
        if listens_on != HERE:
            broker.configuration.write_text(f"{text}\nlistener {broker.port} {listens_on}\n")
        broker.start()
        parts.append(lambda: end(broker.process))
        environment = {"FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://{host}:{broker.port}"}
        connector = Connector(tmp_path, broker.port, SERVICE, definition(), environment)
        parts.append(connector.close)
        return connector.start(under=names.under()), broker, names

    yield start
    for close in reversed(parts):
        close()


def connects(connector, broker):
    def subscribed():
        assert connector.alive(), f"the connector ended: {connector.log()[-5:]}"
        return broker.subscriptions(CLIENT_ID) >= 2

    until(subscribed, "the connector's subscriptions")
    assert connector.complaints() == []


def not_connected(broker, why):
    return f"warn: broker not connected, trying on: {re.escape(NAME)}:{broker.port} {why}"


@pytest.mark.parametrize("answer", ["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", SILENCE])
def test_a_broker_with_an_ipv4_address_is_found_whatever_is_answered_for_ipv6(site, answer):
    connector, broker, _ = site([HERE], answer)
    connects(connector, broker)


GLIBC_GIVES_UP = pytest.mark.skipif(not RUNNER, reason="glibc gives both families up")


@pytest.mark.parametrize("answer", ["NOERROR", "NXDOMAIN", "SERVFAIL", pytest.param(SILENCE, marks=GLIBC_GIVES_UP)])
def test_a_broker_with_an_ipv6_address_is_found_whatever_is_answered_for_ipv4(site, answer):
    connector, broker, _ = site(answer, [HERE_6], listens_on=HERE_6)
    connects(connector, broker)


@pytest.mark.parametrize("truncates", [False, True])
def test_a_broker_that_is_down_for_ipv6_is_reached_by_ipv4(site, truncates):
    connector, broker, _ = site([HERE], [HERE_6], truncates=truncates)
    connects(connector, broker)


@pytest.mark.parametrize(
    "host, more",
    [
        (f"{NAME}.", {}),
        ("broker", {"search": "missing.example example"}),
        ("gateway", {"hosts": f"{HERE} gateway\n"}),
        ("gateway", {"hosts": f"127.9.9.9 other\n{HERE} a-long-name{'-' * 500} GateWay"}),
        ("localhost", {"hosts": f"{HERE} localhost\n{HERE_6} localhost\n"}),
    ],
    ids=["with a dot at the end", "by a search domain", "from the file of hosts", "from one without a line feed", "localhost"],
)
def test_names_come_from_where_the_system_has_them(site, host, more):
    connector, broker, names = site([HERE], "NXDOMAIN", host=host, **more)
    connects(connector, broker)
    if "hosts" in more:
        assert names.asked == [], "what a file has is not asked for"


def test_a_name_server_with_an_address_of_the_link_is_asked_by_its_interface(site):
    """Home routers announce themselves so, and NetworkManager writes it down: fe80::1%wlan0."""
    connector, broker, names = site([HERE], "NXDOMAIN", link="lo")
    connects(connector, broker)
    assert names.asked, "it is the only one"


@pytest.mark.parametrize(
    "more",
    [
        {"options": "ndots:5 edns0 trust-ad", "search": "missing.example absent.example"},
        {"options": "single-request-reopen timeout:3 attempts:5"},
        {"options": "use-vc"},
        {"options": "rotate timeout:5", "silent": True},
        {"options": "an-option-to-come:7 no-aaaa"},
        {"options": "ndots:99 timeout:99999999999 attempts:999"},
    ],
    ids=lambda more: more["options"],
)
def test_options_of_the_resolver_change_the_way_and_not_the_end(site, more):
    connector, broker, _ = site([HERE], "NXDOMAIN", **more)
    connects(connector, broker)


def test_an_option_by_which_nobody_is_asked_is_named(site):
    """Each C library has its own."""
    option = "timeout:0" if RUNNER else "attempts:0"
    connector, broker, _ = site([HERE], "NXDOMAIN", options=f"ndots:2 {option}")
    connector.wait_line(not_connected(broker, f"cannot be looked up: .*{option} in /etc/resolv.conf .*: leave it out"))


def test_a_name_does_not_exist_when_that_is_answered_for_both_families(site):
    connector, broker, _ = site("NXDOMAIN", "NXDOMAIN")
    connector.wait_line(not_connected(broker, "has no address: check the name.*"))


@pytest.mark.parametrize(
    "a, aaaa",
    [
        ("SERVFAIL", "NXDOMAIN"),
        ("NXDOMAIN", "SERVFAIL"),
        (SILENCE, "NXDOMAIN"),
        ("REFUSED", "REFUSED"),
        ("NOERROR", "NOERROR"),
    ],
)
def test_a_name_server_that_does_not_know_is_not_one_that_denies_the_name(site, a, aaaa):
    connector, broker, _ = site(a, aaaa)
    connector.wait_line(not_connected(broker, "(cannot be looked up|got no answer from the name server).*"))
