"""The connector itself: the real binary, on this machine or, with FIREHOSE_CONNECTOR_RUNNER, under an emulator."""

import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

from .service import ROOT, TARGET, arn
from .waiting import PATIENCE, until

BINARY = os.environ.get("FIREHOSE_CONNECTOR_BIN", str(TARGET / "release/firehose-connector"))
RUNNER = shlex.split(os.environ.get("FIREHOSE_CONNECTOR_RUNNER", ""))
# All tests with another version of MQTT than the one that they are made for.
MQTT_VERSION = os.environ.get("MQTT_VERSION")
CLIENT_ID = "connector"
STREAM = "stream-name"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")

# Of each connector of the current test: what it was given, and a function that reads its output.
SPEAKERS = []


def definition(version=5, **parameters):
    """A connector definition as `create-connector-definition` takes it; a parameter that is None is left out."""
    defaults = {
        "DefaultDeliveryStreamArn": arn(STREAM),
        "DeliveryStreamQueueSize": "5000",
        "MemorySize": "65535",
        "PublishInterval": "1",
        "IsolationMode": "GreengrassContainer",
    }
    if version < 5:
        del defaults["IsolationMode"]
    if version == 1:
        defaults = {"DefaultDeliveryStreamArn": arn(STREAM)}
    merged = {key: value for key, value in (defaults | parameters).items() if value is not None}
    return {
        "Connectors": [
            {
                "Id": "MyKinesisFirehoseConnector",
                "ConnectorArn": f"arn:aws:greengrass:eu-west-1::/connectors/KinesisFirehose/versions/{version}",
                "Parameters": merged,
            }
        ]
    }


def run(arguments, environment=None, within=PATIENCE):
    """Runs the binary to its end."""
    environment = {"PATH": os.environ["PATH"]} | (environment or {})
    command = [*RUNNER, BINARY, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=within, check=False)
    files = [Path(argument).read_text() for argument in map(str, arguments) if argument.endswith(".json") and Path(argument).is_file()]
    SPEAKERS.append((command + files, environment, lambda: done.stdout + done.stderr))
    return done


class Connector:
    def __init__(self, folder, broker_port, service_url, document, environment=None):
        self.folder = folder
        self.log_file = folder / "connector.log"
        self.definition = folder / "definition.json"
        self.definition.write_text(document if isinstance(document, str) else json.dumps(document))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://127.0.0.1:{broker_port}",
            "FIREHOSE_CONNECTOR_MQTT_CLIENT_ID": CLIENT_ID,
            "AWS_ENDPOINT_URL_FIREHOSE": service_url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "AWS_EC2_METADATA_DISABLED": "true",
        } | ({"FIREHOSE_CONNECTOR_MQTT_VERSION": MQTT_VERSION} if MQTT_VERSION else {}) | (environment or {})
        self.environment = {name: value for name, value in self.environment.items() if value is not None}
        self.process = None
        SPEAKERS.append((document, self.environment, lambda: "\n".join(self.log()) if self.log_file.exists() else ""))

    def start(self, log=None, under=(), **more):
        """Logs to the file, or to `log`; `under` is a command that runs it, `more` is for the process."""
        command = [*under, *RUNNER, BINARY, "run", "--definition", self.definition]
        with self.log_file.open("ab") as file:
            log = log or file
            self.process = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=log, stderr=log, **more)
        return self

    def alive(self):
        return self.process.poll() is None

    def stop(self, within=PATIENCE, how=signal.SIGTERM):
        """Asks it to end and returns its exit code."""
        self.process.send_signal(how)
        return self.process.wait(within)

    def close(self):
        if self.alive():
            self.process.kill()
            self.process.wait()

    def log(self):
        """Its lines, without the time that each begins with."""
        return [TIME.sub("", line, count=1) for line in self.raw_log()]

    def raw_log(self):
        text = self.log_file.read_text(errors="replace")
        # The end of a line may still be on its way.
        end = text.rfind("\n") + 1 if self.alive() else len(text)
        return text[:end].splitlines()

    def wait_log(self, pattern, within=PATIENCE):
        """The first log line in which the pattern is found, upper and lower case alike."""
        found = re.compile(pattern, re.IGNORECASE).search

        def line():
            assert self.alive(), f"the connector ended: {self.log()[-5:]}"
            return next(filter(found, self.log()), None)

        return until(line, f"a log line with {pattern!r}", within)

    def wait_line(self, pattern, since=0, within=PATIENCE):
        """The first line from number `since` on whose level and message, as `level: message`, the pattern matches whole."""

        def line():
            assert self.alive(), f"the connector ended: {self.log()[-5:]}"
            return next((line for line in self.log()[since:] if re.fullmatch(pattern, line)), None)

        return until(line, f"a log line {pattern!r} from line {since} on", within)

    def counters(self):
        """Those of now, which the log has in answer to SIGUSR1."""
        answer = "info: counters "

        def answers():
            assert self.alive(), f"the connector ended: {self.log()[-5:]}"
            return [line for line in self.log() if line.startswith(answer)]

        before = len(answers())
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: len(answers()) > before, "an answer to SIGUSR1")
        return json.loads(answers()[-1].removeprefix(answer))

    def complaints(self):
        """The warnings and errors it logged. An emulator of a process cannot confine one, and tests may run as root; that it says
        so is no complaint."""
        expected = ["the connector runs as root"] + ["cannot confine the connector completely"] * bool(RUNNER)
        grave = [line for line in self.log() if line.startswith(("warn", "error"))]
        return [line for line in grave if not any(words in line for words in expected)]

    def memory(self, key="VmHWM"):
        """A figure of /proc/PID/status, kB: VmHWM is the peak of resident memory, VmRSS what is resident now."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(key + ":"))

    def cpu_seconds(self):
        """User and system time used so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
