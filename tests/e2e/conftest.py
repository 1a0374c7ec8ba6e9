"""The parts, each started for one test and ended after it; moto, which is slow to start, for all of them."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from parts.broker import Mosquitto  # noqa: E402
from parts.certificates import Authority  # noqa: E402
from parts.client import Client  # noqa: E402
from parts.connector import CLIENT_ID, RUNNER, SPEAKERS, Connector, definition  # noqa: E402
from parts.doctor import Check  # noqa: E402
from parts.service import Moto, Standin  # noqa: E402
from parts.waiting import end, until  # noqa: E402
from parts.words import faults  # noqa: E402


# What the spools of all tests that run at a time may take, bytes.
SPOOLS = 1_000_000_000


def pytest_collection_modifyitems(items):
    """Under an emulator the process is the emulator's."""
    if RUNNER:
        for item in items:
            if item.get_closest_marker("host_only"):
                item.add_marker(pytest.mark.skip(reason="the process is an emulator"))


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the connector's log."""
    outcome = yield
    report = outcome.get_result()
    for connector in getattr(item, "connectors", []):
        if report.failed and connector.log_file.exists():
            report.sections.append(("the connector's log", "\n".join(connector.log()[-30:])))


@pytest.fixture(autouse=True)
def plain_words(tmp_path):  # which has the logs
    """Whatever a connector says in any test: no debug output, no secret."""
    SPEAKERS.clear()
    yield
    for given, environment, said in SPEAKERS:
        assert not faults(said(), given, environment)


@pytest.fixture
def broker(tmp_path):
    """A mosquitto with persistence."""
    broker = Mosquitto(tmp_path).start()
    yield broker
    end(broker.process)


@pytest.fixture
def standin():
    """A healthy stand-in."""
    standin = Standin()
    yield standin
    standin.close()


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """moto with IAM authentication enforced."""
    moto = Moto(tmp_path_factory.mktemp("moto"))
    yield moto
    moto.close()


@pytest.fixture
def ca(tmp_path):
    """The CA that has signed the certificates of a test's peers."""
    return Authority(tmp_path)


@pytest.fixture
def unknown_ca(tmp_path):
    """A CA that nobody trusts."""
    return Authority(tmp_path, "Unknown CA")


@pytest.fixture
def check(tmp_path, broker, standin):
    """Runs the doctor."""
    return Check(tmp_path, broker, standin)


@pytest.fixture
def client(broker):
    """The application, subscribed to the status topic."""
    client = Client(broker.port)
    yield client
    client.close()


@pytest.fixture
def spool(tmp_path):
    """A directory for the spool, in memory if there is room: how long a disk takes that other tests use as well, nobody promises."""
    memory = Path("/dev/shm")
    in_memory = memory.is_dir() and shutil.disk_usage(memory).free >= SPOOLS
    with tempfile.TemporaryDirectory(dir=memory if in_memory else tmp_path) as folder:
        spool = Path(folder) / "spool"
        spool.mkdir(mode=0o700)
        yield spool


@pytest.fixture
def connectors(request, tmp_path):
    """Starts connectors; returns a function that takes broker port, service URL, definition, and environment."""
    request.node.connectors = []

    def start(broker_port, service_url, document=None, **environment):
        folder = tmp_path / f"connector-{len(request.node.connectors)}"
        folder.mkdir()
        connector = Connector(folder, broker_port, service_url, document or definition(), environment)
        request.node.connectors.append(connector)
        return connector.start()

    yield start
    for connector in request.node.connectors:
        connector.close()


@pytest.fixture
def connect(broker, standin, connectors):
    """Starts a connector between mosquitto and the stand-in and waits until it has subscribed."""

    def start(document=None, service_url=None, **environment):
        before = broker.subscriptions(CLIENT_ID)
        connector = connectors(broker.port, service_url or standin.url, document, **environment)

        def subscribed():
            assert connector.alive(), f"the connector ended: {connector.log()[-5:]}"
            return broker.subscriptions(CLIENT_ID) >= before + 2

        until(subscribed, "the connector's subscriptions")
        return connector

    return start
