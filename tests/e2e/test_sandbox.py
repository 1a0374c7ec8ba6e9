"""`IsolationMode`: what a process that was taken over can still do. All other tests run confined, too."""

import os
import subprocess

import pytest

from parts.connector import RUNNER, definition, run
from parts.service import TARGET
from parts.waiting import until

PROBE = TARGET / "release/examples/sandbox-probe"


@pytest.mark.host_only
@pytest.mark.parametrize(("layer", "works", "refused"), [("", 25, 45), ("files", 25, 10), ("calls", 25, 20), ("spool", 25, 45)])
def test_a_confined_process_can_do_nothing_but_what_the_connector_does(tmp_path, layer, works, refused):
    """By all layers, and by each of the two that refuse most as if there were no other."""
    result = subprocess.run([PROBE, tmp_path, layer], capture_output=True, text=True, timeout=60, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
    assert "WRONG" not in result.stdout
    before, after = result.stdout.split("isolation ")
    assert before.count("works ") >= works and after.count("refused ") >= refused


def confinement(connector):
    """What the kernel says of the process: filters of system calls, new rights impossible, rights."""
    with open(f"/proc/{connector.process.pid}/status", encoding="ascii") as status:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    return lines["Seccomp"], lines["NoNewPrivs"], lines["CapEff"], lines["CapPrm"], lines["CapBnd"]


@pytest.mark.host_only
@pytest.mark.parametrize("version", [1, 4, 5])
def test_every_version_is_confined_unless_told_otherwise(connect, version):
    document = definition(version, IsolationMode=None)
    none = "0000000000000000"
    assert confinement(connect(document)) == ("2", "1", none, none, none)


@pytest.mark.host_only
def test_no_container_is_not_confined(connect):
    seccomp, no_new_privileges, *_ = confinement(connect(definition(IsolationMode="NoContainer")))
    assert (seccomp, no_new_privileges) == ("0", "0")


# Those of root can do more than what is asked here.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def environ_of(process):
    """Its environment as another process of the same user reads it."""
    command = [*WITHOUT_RIGHTS, "cat", f"/proc/{process.pid}/environ"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.host_only
def test_other_processes_of_its_user_do_not_get_at_the_keys_in_its_environment(connect):
    with subprocess.Popen([*WITHOUT_RIGHTS, "cat"], stdin=subprocess.PIPE, env=os.environ | {"KEY": "value"}) as other:
        until(lambda: "KEY=value" in environ_of(other).stdout, "what any other process lets be read")
        other.stdin.close()
    refused = environ_of(connect(definition()).process)
    assert (refused.stdout, refused.returncode) == ("", 1) and "Permission denied" in refused.stderr


@pytest.mark.host_only
@pytest.mark.skipif(os.geteuid() != 0, reason="it is about root")
def test_running_as_root_is_warned_of_once(connect, tmp_path):
    warning = "warn: the connector runs as root: isolation leaves it what only root may read beneath /etc"
    connector = connect(definition())
    connector.wait_log("broker connected, session")
    assert sum(line.startswith(warning) for line in connector.log()) == 1
    connector = connect(definition(IsolationMode="NoContainer"))
    connector.wait_log("broker connected, session")
    assert not any("runs as root" in line for line in connector.log())


def test_check_says_what_this_system_can_confine(tmp_path):
    arn = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s"
    environment = {"DEFAULT_DELIVERY_STREAM_ARN": arn}
    line = next(line for line in run(["check"], environment).stdout.splitlines() if line.startswith("isolation"))
    if RUNNER:
        assert "without files and TCP ports" in line and "a filter of system calls" in line, line
    else:
        assert line.split()[-1] == "complete" or "Linux 6.7" in line, line
