"""The init script, run for real: under dash with Debian's tools, and under busybox with nothing but busybox."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from parts.connector import BINARY, Connector, definition
from parts.service import ROOT
from parts.waiting import PATIENCE, end, free_port, until

SERVICE = ROOT / "targets/service"
NAME = "firehose-connector"
# Root drops its rights, as at boot; anybody else has none to drop.
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

pytestmark = pytest.mark.host_only


class Init:
    """A system in a folder, and the script that runs in it."""

    def __init__(self, shell, tools):
        # Not below pytest's folder, which the user of the service may not enter.
        self.root = Path(tempfile.mkdtemp())
        self.root.chmod(0o755)
        for folder in ["usr/bin", "run", "dev", f"etc/{NAME}", "etc/init.d"]:
            (self.root / folder).mkdir(parents=True)
        self.script = self.root / "etc/init.d" / NAME
        shutil.copy(SERVICE / f"{NAME}.init", self.script)
        self.binary = self.root / "usr/bin" / NAME
        shutil.copy(BINARY, self.binary)
        self.settings = self.root / f"etc/{NAME}/environment"
        self.definition = self.root / f"etc/{NAME}/connectors.json"
        self.settings.write_text(f"FIREHOSE_CONNECTOR_DEFINITION={self.definition}\n")
        self.log_file = self.root / "log"
        self.shell = shell
        self.environment = {"PATH": f"{tools}:/usr/bin:/bin", "SERVICE_ROOT": str(self.root), "SERVICE_USER": USER}

    def __call__(self, command, **environment):
        """Returns exit status and words."""
        with self.log_file.open("ab") as log:
            done = subprocess.run(
                [*self.shell, self.script, command],
                env=self.environment | environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        return done.returncode, done.stdout

    def configure(self, connector):
        """Gives it the definition and the settings of a connector."""
        settings = {name: value for name, value in connector.environment.items() if name not in ["PATH", "HOME"]}
        settings["FIREHOSE_CONNECTOR_DEFINITION"] = self.definition
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        shutil.copy(connector.definition, self.definition)

    def pid(self, process):
        """Of the connector or of the supervisor; None if it does not run."""
        try:
            pid = int((self.root / "run" / NAME / f"{process}.pid").read_text())
            os.kill(pid, 0)
            return pid
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None

    def runs(self):
        return self("status")[0] == 0 and self.processes()

    def processes(self):
        """Pids of all connectors of this system, whether a pid file names them or not."""
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/exe") if self._is_ours(path)]

    def _is_ours(self, exe):
        try:
            return exe.readlink() == self.binary
        except OSError:
            return False

    def log(self):
        return self.log_file.read_text(errors="replace").splitlines()

    def logged(self, words):
        return [line for line in self.log() if words in line]

    def close(self):
        self("stop")
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.root)


@pytest.fixture(params=["dash", "busybox"])
def init(request, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    shell = ["dash"]
    if request.param == "busybox":
        busybox = shutil.which("busybox")
        for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            (tools / name).symlink_to(busybox)
        shell = [busybox, "ash"]
    init = Init(shell, tools)
    yield init
    init.close()


@pytest.fixture
def configured(init, tmp_path):
    """With a broker that is never there."""
    init.configure(Connector(tmp_path, free_port(), "http://127.0.0.1:9", definition()))
    return init


def test_it_starts_and_stops_with_the_exit_codes_of_the_lsb(configured):
    init = configured
    assert init("status")[0] == 3
    assert init("stop")[0] == 0
    assert init("start")[0] == 0
    until(init.runs, "the connector")
    assert init("start") == (0, f"{NAME}: runs already\n")
    (pid,) = init.processes()
    assert Path(f"/proc/{pid}").owner() == USER
    until(lambda: init.logged("broker not connected"), "an attempt to connect")
    assert init("stop")[0] == 0
    assert init.processes() == []
    assert init("status")[0] == 3
    assert init.logged("stopped: 0 received")
    assert not init.logged("second") and not init.logged("Killed")
    assert init("reload")[0] == 2


def test_a_connector_that_was_killed_runs_again(configured):
    init = configured
    init("start")
    until(init.runs, "the connector")
    (killed,) = init.processes()
    os.kill(killed, signal.SIGKILL)
    until(lambda: init.runs() and init.processes() != [killed], "another connector")
    assert init.logged("ended with status 137, starts again in 1 s")
    assert len(init.processes()) == 1


def test_a_restart_replaces_the_connector(configured):
    init = configured
    init("start")
    until(init.runs, "the connector")
    before = init.processes()
    for command in ["restart", "force-reload"]:
        assert init(command)[0] == 0
        until(init.runs, "another connector")
        assert len(init.processes()) == 1 and init.processes() != before
        before = init.processes()


def test_a_stop_drains_what_is_held(init, tmp_path, broker, client, standin):
    document = definition(PublishInterval="900")
    init.configure(Connector(tmp_path, broker.port, standin.url, document))
    init("start")
    until(lambda: broker.subscriptions("connector") >= 2, "the connector's subscriptions")
    client.send_all(client.send(f"record {number}", f"id {number}") for number in range(300))
    client.send_all([client.publish("kinesisfirehose/message", b"mark")])
    client.wait_entries(1)
    assert standin.state()["requests"] == 0
    assert init("stop")[0] == 0
    client.wait_entries(301)
    assert standin.wait_accepted(300)["repeated"] == 0


def test_without_a_configuration_it_waits_for_one_with_growing_delay(init, tmp_path):
    assert init("start")[0] == 0
    until(lambda: init.logged("starts again in 2 s"), "a second attempt")
    assert init.logged("connectors.json: cannot be read")
    status, words = init("status")
    assert (status, words) in [(1, f"{NAME}: has ended and will be started again\n"), (0, f"{NAME}: runs\n")]
    init.configure(Connector(tmp_path, free_port(), "http://127.0.0.1:9", definition()))
    until(lambda: init.logged("broker not connected"), "the connector")
    assert len(init.logged("starts again")) <= 4


def test_a_stop_ends_the_wait_for_the_next_start(init):
    init("start")
    until(lambda: init.logged("starts again in 4 s"), "a third attempt")
    assert init("stop")[0] == 0
    assert init("status")[0] == 3
    assert init.pid("supervisor") is None


def test_a_connector_without_its_supervisor_is_taken_over(configured):
    init = configured
    init("start")
    until(init.runs, "the connector")
    (orphan,) = init.processes()
    os.kill(init.pid("supervisor"), signal.SIGKILL)
    until(lambda: init.pid("supervisor") is None, "the supervisor's end")
    assert init.processes() == [orphan]
    assert init("start")[0] == 0
    until(lambda: init.runs() and orphan not in init.processes(), "another connector")
    assert len(init.processes()) == 1


def test_a_connector_that_hangs_is_killed(configured):
    init = configured
    init("start")
    until(init.runs, "the connector")
    (pid,) = init.processes()
    os.kill(pid, signal.SIGSTOP)
    assert init("stop")[0] == 0
    assert init.processes() == []
    assert init.logged("did not stop within 15 s, is killed")


def test_what_is_missing_is_named(init):
    assert init("start", SERVICE_USER="no-such-user")[0] == 6
    assert init.logged("the user no-such-user, whom the connector runs as, does not exist")
    init.binary.unlink()
    assert init("start")[0] == 5
    assert init.logged(f"{init.binary} is not there")


def test_a_script_that_outlives_its_package_says_nothing_at_boot(init):
    init.binary.unlink()
    assert init("start", RUNLEVEL="2") == (0, "")
    assert init("stop", RUNLEVEL="0") == (0, "")
    assert init.log() == []


def test_a_number_that_became_somebody_else_s_is_left_alone(configured):
    """Whatever his command line is."""
    init = configured
    log = init.root / f"{NAME}.log"
    log.write_text("")
    run = init.root / "run" / NAME
    init("start")
    until(init.runs, "the connector")
    pids = [init.pid(process) for process in ["supervisor", "connector"]]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(init.pid, ["supervisor", "connector"])), "the end of both")
    # By the tools of the test: of busybox it is the supervisor's program.
    stranger = subprocess.Popen(["tail", "-f", log], env=init.environment, stdout=subprocess.DEVNULL)
    try:
        for process in ["supervisor", "connector"]:
            (run / f"{process}.pid").write_text(f"{stranger.pid}\n")
        assert init("status")[0] == 3
        assert init("start") == (0, "")
        until(init.runs, "the connector")
        assert init("stop")[0] == 0
        assert stranger.poll() is None
    finally:
        end(stranger)


def test_a_connector_whose_program_was_replaced_is_still_ours(configured):
    init = configured
    init("start")
    until(init.runs, "the connector")
    (pid,) = init.processes()
    shutil.copy(BINARY, init.root / "new")
    (init.root / "new").rename(init.binary)
    assert init("status") == (0, f"{NAME}: runs\n")
    assert init("stop")[0] == 0
    until(lambda: not Path(f"/proc/{pid}").exists(), "its end")


@pytest.mark.parametrize("priorities", [False, True])
def test_the_log_goes_to_syslog_where_there_is_one(configured, tmp_path, priorities):
    """With a priority for each line, if logger reads them: busybox has one that does not."""
    init = configured
    lines = init.root / "syslog"
    logger = tmp_path / "tools/logger"
    logger.unlink(missing_ok=True)
    option = "--prio-prefix" if priorities else "--tag"
    logger.write_text(
        f'#!/bin/sh\n[ "$1" != --help ] || {{ echo "usage: logger [{option}]" >&2; exit; }}\n'
        f'echo "logger $*" >>{lines}\nexec cat >>{lines}\n'
    )
    logger.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(init.root / "dev/log"))
        init("start")
        until(lambda: lines.is_file() and "broker not connected" in lines.read_text(), "the connector")
        init("stop")
    until(lambda: "stopped: 0 received" in lines.read_text(), "the last line")
    options, *text = lines.read_text().splitlines()
    assert options == f"logger -t {NAME} -p daemon.info" + " --prio-prefix" * priorities
    (stopped,) = [line for line in text if "stopped: 0 received" in line]
    assert stopped.startswith("<6>info: stopped") == priorities, stopped
    assert init.log() == []


def test_sh_and_systemd_read_the_same_settings(tmp_path):
    """systemd takes a line literally, and what is in single quotes; so must the shell."""
    lines = [line.lstrip("#") for line in (SERVICE / "environment").read_text().splitlines()]
    settings = [line for line in lines if line.partition("=")[0].replace("_", "").isalnum() and "=" in line]
    file = tmp_path / "environment"
    file.write_text("\n".join(settings) + "\n")
    command = ["dash", "-c", f"set -a; . {file}; exec env"]
    words = subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {re.sub("='([^']*)'$", r"=\1", setting) for setting in settings} <= set(words)
    assert len(settings) >= 30
