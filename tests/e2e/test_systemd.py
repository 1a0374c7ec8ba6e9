"""The unit, judged by systemd's own tools."""

import re
import subprocess

import pytest

from parts.connector import BINARY, Connector, definition
from parts.service import ROOT
from parts.waiting import until

UNIT = ROOT / "targets/service/firehose-connector.service"
# Since systemd 254; ignored before.
NEW_KEYS = {"RestartSteps", "RestartMaxDelaySec"}

pytestmark = pytest.mark.host_only


def analyze(*arguments):
    command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_understands_the_unit(tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("ExecStart=/usr/bin/firehose-connector", f"ExecStart={BINARY}"))
    result = analyze("verify", "--man=no", unit)
    complaints = [line for line in result.stderr.splitlines() if UNIT.name in line]
    unknown = [re.search(r"Unknown key(?: name)? '(\w+)'", line) for line in complaints]
    assert all(found and found[1] in NEW_KEYS for found in unknown), complaints
    assert result.returncode == 0 or unknown, result


def test_the_unit_opens_little():
    """1.2 of 10, as README says."""
    result = analyze("security", "--offline=true", "--threshold=12", UNIT)
    assert result.returncode == 0, result.stdout


def calls(group):
    """The system calls of a group of systemd's, such as @io-event."""
    found = set()
    for line in analyze("syscall-filter", group).stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            found |= calls(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed():
    """The system calls that the unit leaves, as systemd.exec(5) reads the lines."""
    left = calls("@default")
    for line in re.findall(r"^SystemCallFilter=(.+)$", UNIT.read_text(), re.MULTILINE):
        for word in line.lstrip("~").split():
            named = calls(word) if word.startswith("@") else {word}
            left = left - named if line.startswith("~") else left | named
    return left


def test_the_program_needs_no_system_call_that_the_unit_forbids(tmp_path, broker, client, standin):
    trace = tmp_path / "trace"
    # By name, so that the resolver works, too.
    environment = {"FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://localhost:{broker.port}"}
    connector = Connector(tmp_path, broker.port, standin.url, definition(PublishInterval="0"), environment)
    try:
        # -D: the connector is our child, not strace's.
        connector.start(under=["strace", "-D", "-f", "-qq", "-o", trace])
        until(lambda: broker.subscriptions("connector") >= 2, "the connector's subscriptions")
        client.send("x", "a")
        assert client.wait_entries(1)[0]["status"] == "success"
        assert connector.stop() == 0
    finally:
        connector.close()
    until(lambda: "exit_group(0" in trace.read_text(), "the end of the trace")
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE))
    assert {"prlimit64", "connect", "clone3"} & made, made
    # Only root has capabilities to drop.
    assert made - allowed() <= {"capset"}
