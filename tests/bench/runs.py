"""The site of one run: broker, service and TLS before it, the program, and what /proc says of it."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
PEERS = TARGET / "peer/release"
ARN = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/bench"

# Room for the whole backlog, so that a broker that is faster than the service never makes the queue full; the peers
# hold the broker back instead.
DEFINITION = {
    "Connectors": [
        {
            "Id": "bench",
            "ConnectorArn": "arn:aws:greengrass:eu-central-1::/connectors/KinesisFirehose/versions/5",
            "Parameters": {
                "DefaultDeliveryStreamArn": ARN,
                "DeliveryStreamQueueSize": "200000",
                "MemorySize": "262144",
                "PublishInterval": "1",
            },
        }
    ]
}

# A broker that holds everything back and drops nothing. Its log says when a subscription stands.
MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 1000
max_queued_messages 0
max_queued_bytes 0
persistence false
log_dest stderr
log_type subscribe
log_type error
"""

START_SECONDS = 30
RUN_SECONDS = 900


class Site:
    """Everything around one program, fresh; ends with the `with` block."""

    def __init__(self, stack, tls=True, latency=0, close_after=None):
        self.stack = stack
        self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firehose-bench-")))
        # Started by root, mosquitto reads its configuration as another user.
        self.folder.chmod(0o755)
        faults = json.dumps({"latency_ms": latency})
        standin = self.start([TARGET / "release/examples/firehose-standin", "--faults", faults], "standin")
        ports = self.ports(standin, 2)
        self.control, self.front = ports["control"], None
        self.url, self.ca = f"http://127.0.0.1:{ports['port']}", self.folder / "ca.pem"
        if tls:
            close = [] if close_after is None else [str(close_after)]
            self.front = self.start([PEERS / "front", str(ports["port"]), self.ca, *close], "front")
            self.url = f"https://127.0.0.1:{self.ports(self.front, 1)['port']}"
        self.broker = self.start_broker()

    def start(self, command, name, environment=None):
        """Starts a program that is stopped when the stack unwinds; both outputs go to its log."""
        log = self.folder / f"{name}.log"
        with open(log, "wb") as output:
            try:
                process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
            except FileNotFoundError as error:
                raise SystemExit(f"{command[0]}: {error.strerror}") from error
        process.log = log
        self.stack.callback(stop, process)
        return process

    def ports(self, process, count):
        lines = lambda: process.log.read_text().splitlines(keepends=True)  # noqa: E731
        wait_until(lambda: sum(line.endswith("\n") for line in lines()) >= count, process, "listen")
        return {name: int(port) for name, port in (line.split() for line in lines()[:count])}

    def start_broker(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        conf = self.folder / "mosquitto.conf"
        conf.write_text(MOSQUITTO_CONF.format(port=port))
        path = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
        self.broker_process = self.start(["mosquitto", "-c", conf], "mosquitto", {"PATH": path})
        wait_until(lambda: answers(port), self.broker_process, "listen")
        return port

    def start_program(self, name, command, more=()):
        """Starts the program under test, and waits until it has subscribed to both topics."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://127.0.0.1:{self.broker}",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_CA_BUNDLE": str(self.ca) if self.front else "",
        } | dict(more)
        if self.front:
            environment["SSL_CERT_FILE"] = str(self.ca)
        if name.startswith("connector"):
            definition = self.folder / "definition.json"
            definition.write_text(json.dumps(DEFINITION))
            command = [*command, "run", "--definition", definition]
        else:
            environment |= {"DEFAULT_DELIVERY_STREAM_ARN": ARN, "PUBLISH_INTERVAL": "1"}
        process = self.start(command, name.replace("/", "-"), environment)
        log = self.broker_process.log
        wait_until(lambda: log.read_text().count("kinesisfirehose/message") >= 2, process, "subscribe")
        return process

    def publish(self, process, load, records):
        """Publishes and waits for the statuses; returns the publisher's account and the resident memory meanwhile."""
        command = [PEERS / "publisher", f"127.0.0.1:{self.broker}", records, load.size, load.qos, load.rate, load.kind]
        resident, deadline = [], time.monotonic() + RUN_SECONDS
        with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as publisher:
            try:
                while publisher.poll() is None:
                    if process.poll() is not None:
                        raise SystemExit(f"{process.args[0]} ended under load:\n{process.log.read_text()[-2000:]}")
                    if time.monotonic() > deadline:
                        raise SystemExit(f"{process.args[0]} was not done after {RUN_SECONDS} s")
                    resident.append(memory(process, "status", "VmRSS"))
                    time.sleep(0.1)
            finally:
                publisher.kill()
            if publisher.returncode != 0:
                raise SystemExit("the publisher failed")
            return json.loads(publisher.stdout.read()), resident

    def service(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}/standin/state", timeout=10) as reply:
            return json.load(reply)

    def wire(self):
        """What went over the wire; ends the front."""
        stop(self.front)
        return json.loads(self.front.log.read_text().splitlines()[-1])


def stop(process):
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(condition, process, what):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{process.args[0]} did not {what}:\n{process.log.read_text()[-2000:]}")
        time.sleep(0.05)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def cpu_ms(process):
    """User and system time of all threads there are, to the nanosecond; /proc/PID/stat has it to 10 ms only."""
    times = pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(time.read_text().split()[0]) for time in times) / 1e6


def wake_ups(process):
    """Voluntary context switches of all threads so far."""
    statuses = [status.read_text() for status in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status")]
    lines = [line for status in statuses for line in status.splitlines() if line.startswith("voluntary")]
    return sum(int(line.split()[1]) for line in lines)


def memory(process, file, key):
    """One line of /proc/PID/status or smaps_rollup, in MiB."""
    for line in pathlib.Path(f"/proc/{process.pid}/{file}").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {key} in /proc/PID/{file}: {process.args[0]} has ended")
