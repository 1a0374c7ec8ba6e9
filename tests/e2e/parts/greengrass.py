"""A connector as a component of Greengrass: fixtures that stand in for those of the broker, so that what is tested with a broker can
be tested with a nucleus."""

import pytest

from .application import Application
from .nucleus import TOKEN, Nucleus


@pytest.fixture
def nucleus(tmp_path):
    """A healthy nucleus lite."""
    nucleus = Nucleus(tmp_path / "ipc.socket").start()
    yield nucleus
    nucleus.stop()
    assert not nucleus.faults, "neither nucleus would have taken it"


@pytest.fixture
def client(nucleus):
    """The application, subscribed to the status topic."""
    client = Application(nucleus)
    yield client
    client.close()


@pytest.fixture
def connect(nucleus, standin, connectors):
    """Starts a connector between the nucleus and the stand-in and waits until it has subscribed."""

    def start(document=None, service_url=None, **environment):
        settings = {
            "FIREHOSE_CONNECTOR_MQTT_URL": None,
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(nucleus.path),
            "SVCUID": TOKEN,
        }
        connector = connectors(0, service_url or standin.url, document, **settings | environment)
        connector.wait_line("info: nucleus connected")
        return connector

    return start
