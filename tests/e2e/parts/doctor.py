"""`check --online` between a healthy broker and a healthy service, and what a test may put in their places."""

import json
import re
from types import SimpleNamespace

from .broker import Mosquitto
from .connector import CLIENT_ID, definition, run
from .service import Moto
from .waiting import end, free_port

FIRST = ["configuration", "memory", "clock"]
BROKER = ["broker-dns", "broker-tcp", "broker-tls", "broker-login", "broker-subscribe", "broker-publish"]
IPC = ["ipc-socket", "ipc-token", "ipc-subscribe", "ipc-publish"]
SERVICE = ["credentials", "service-dns", "service-tcp", "service-tls", "firehose", "service-clock", "test-record"]
STEPS = FIRST + BROKER + IPC + SERVICE

# Seconds that a step takes at most, and all of them together; limits::doctor.
STEP = 20
ALL = 110


class Check:
    """Runs the check between a healthy mosquitto and a healthy stand-in, but for what a test changes."""

    def __init__(self, folder, broker, standin):
        self.file = folder / "definition.json"
        self.environment = {
            "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://localhost:{broker.port}",
            "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID": CLIENT_ID,
            "AWS_ENDPOINT_URL_FIREHOSE": standin.url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        }

    def text(self, *options, document=None, **environment):
        """The exit status and what was printed."""
        self.file.write_text(json.dumps(document or definition()))
        environment = self.environment | environment
        environment = {name: value for name, value in environment.items() if value is not None}
        done = run(["check", "--definition", self.file, *options], environment, within=2 * ALL)
        assert done.stderr == ""
        for secret in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]:
            assert environment.get(secret, "no such text") not in done.stdout
        return done.returncode, done.stdout

    def __call__(self, *options, **arguments):
        """The exit status, and result, sentence and advice of each step."""
        code, text = self.text("--online", "--json", *options, **arguments)
        report = json.loads(text)
        assert report["exit_status"] == code
        assert [step["step"] for step in report["steps"]] == STEPS
        steps = {step.pop("step"): step for step in report["steps"]}
        assert {steps.pop(step)["result"] for step in IPC} == {"skip"}, "publishes come from a broker"
        return SimpleNamespace(code=code, steps=steps)


def is_only_fault(report, faulty, words, warned=()):
    """This step fails with these words; what needs it is skipped, and everything else is well or warned of."""
    faults = {step: line for step, line in report.steps.items() if line["result"] == "fail"}
    assert list(faults) == [faulty], faults
    fault = faults[faulty]
    assert re.search(words, f"{fault['found']} -> {fault['advice']}"), fault
    assert report.code == 69
    for step, line in report.steps.items():
        side = next(side for side in [FIRST, BROKER, SERVICE] if step in side)
        if step == faulty or step in ["broker-tls", "service-tls", "test-record", "service-clock"]:
            continue
        if faulty in side and side.index(step) > side.index(faulty):
            # Whether the service is there can be seen without credentials; whether statuses are taken, without input.
            goes_on = faulty == "credentials" and step.startswith("service-") or faulty == "broker-subscribe"
            assert line["result"] == "skip" or goes_on, (step, line)
        else:
            assert line["result"] == ("warn" if step in warned else "ok"), (step, line)


LISTENER = """
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
{more}
"""


class OwnBroker:
    """A mosquitto beside the test's usual one, for as long as the block runs."""

    def __init__(self, folder, **settings):
        folder = folder / "another-broker"
        folder.mkdir()
        self.broker = Mosquitto(folder, **settings)

    def __enter__(self):
        return self.broker.start()

    def __exit__(self, *_):
        end(self.broker.process)


class TlsBroker(OwnBroker):
    """One with a TLS listener; the block gets its URL."""

    def __init__(self, folder, ca, leaf, more=""):
        self.port = free_port()
        listener = LISTENER.format(port=self.port, ca=ca.file, certificate=leaf.certificate, key=leaf.key, more=more)
        super().__init__(folder, more=listener)

    def __enter__(self):
        super().__enter__()
        return f"mqtts://localhost:{self.port}"


class Https(Moto):
    """A moto behind TLS, for as long as the block runs."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
