"""What a process that was taken over can still do, on kernels and architectures of devices."""

from contextlib import ExitStack

import pytest

from machine import Machine
from systems import probe


@pytest.fixture(scope="module")
def machine(tmp_path_factory, small_system):
    assert probe(small_system.target).exists(), f"{probe(small_system.target)} is not built, see scripts/test"
    with ExitStack() as parts:
        machine = Machine(tmp_path_factory.mktemp("boot"), small_system, {"environment": ""})
        parts.callback(machine.close)
        machine.run("mkdir -p /var/tmp /settings; chmod 1777 /var/tmp /tmp /settings")
        yield machine


def probed(machine, user, layer=""):
    command = f"rm -rf /var/tmp/* /settings/*; su -s /bin/sh {user} -c '/test/probe /settings {layer}'"
    output = machine.run(command, check=False, within=60)
    print(output)
    assert "WRONG" not in output
    before, after = output.split("isolation ")
    assert before.count("works ") >= 25, output
    return after


@pytest.mark.parametrize("user", ["root", "firehose-connector"])
def test_a_confined_process_can_do_nothing_but_what_the_connector_does(machine, user):
    after = probed(machine, user)
    assert after.count("refused ") >= 45, after
    # Linux 6.1 has Landlock for files, not yet for TCP ports.
    assert after.splitlines()[0] == "without TCP ports (Landlock of Linux 6.7)"


@pytest.mark.parametrize(("layer", "refused"), [("files", 10), ("calls", 20)])
def test_each_layer_holds_without_the_other(machine, layer, refused):
    after = probed(machine, "root", layer)
    assert after.count("refused ") >= refused, after
