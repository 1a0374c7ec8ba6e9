"""`IsolationMode`: what a process that was taken over can still do. All other tests run confined, too."""

import subprocess

import pytest

from parts.connector import RUNNER, definition, run
from parts.service import TARGET

PROBE = TARGET / "release/examples/sandbox-probe"


@pytest.mark.host_only
def test_a_confined_process_can_do_nothing_but_what_the_connector_does(tmp_path):
    result = subprocess.run([PROBE, tmp_path], capture_output=True, text=True, timeout=60, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
    assert "WRONG" not in result.stdout
    before, after = result.stdout.split("isolation ")
    assert before.count("works ") >= 20 and after.count("refused ") >= 40


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


def test_check_says_what_this_system_can_confine(tmp_path):
    arn = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/s"
    environment = {"DEFAULT_DELIVERY_STREAM_ARN": arn}
    line = next(line for line in run(["check"], environment).stdout.splitlines() if line.startswith("isolation"))
    if RUNNER:
        assert "without files and TCP ports" in line and "a filter of system calls" in line, line
    else:
        assert line.split()[-1] == "complete" or "Linux 6.7" in line, line
