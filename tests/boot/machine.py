"""A system under QEMU: its power, its network cable, its console, and an agent inside that takes commands."""

import base64
import json
import socket
import subprocess
import time
from pathlib import Path

from parts.waiting import PATIENCE, end, until
from systems import NAME

# Where the guest finds the loopback of this machine.
HOST = "10.0.2.2"
# Without KVM everything takes longer.
BOOT_PATIENCE = 180.0


class Machine:
    """Boots at once, without a network if `cable` is false; `clock`: when its battery-backed clock has it that it does.
    `disk`: a file that is its disk, /dev/vda. `log` is what came over the serial console."""

    def __init__(self, folder, system, configuration, cable=True, clock="utc", disk=None):
        self.system = system
        self.console = folder / "console.log"
        agent, monitor = folder / "agent", folder / "monitor"
        command = [
            *system.qemu(),
            *["-nodefaults", "-display", "none", "-no-reboot", "-S", "-rtc", f"base={clock}"],
            *["-kernel", system.kernel, "-initrd", system.image(folder, configuration)],
            *["-serial", f"file:{self.console}"],
            *["-netdev", "user,id=net0", "-device", "virtio-net-device,netdev=net0,id=cable"],
            *["-device", "virtio-serial-device", "-chardev", f"socket,id=agent,path={agent},server=on,wait=off"],
            *["-device", "virtconsole,chardev=agent", "-qmp", f"unix:{monitor},server=on,wait=off"],
        ]
        if disk:
            command += ["-drive", f"if=none,id=disk,format=raw,file={disk}", "-device", "virtio-blk-device,drive=disk"]
        self.qemu_log = folder / "qemu.log"
        with self.qemu_log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self.monitor = self._connect(monitor)
            self.agent = self._connect(agent)
            self._boot(cable)
        except Exception as error:
            self.close()
            raise AssertionError("\n".join([f"it does not boot: {error}", *self.log()])) from error

    def _boot(self, cable):
        self._line(self.monitor, PATIENCE)
        self._monitor("qmp_capabilities")
        if not cable:
            self.set_cable(False)
        started = time.monotonic()
        self._monitor("cont")
        while self._line(self.agent, BOOT_PATIENCE) != "agent ready":
            pass
        self.boot_seconds = time.monotonic() - started

    def close(self):
        end(self.process)

    def log(self):
        if not self.console.exists():
            return []
        return self.console.read_text(errors="replace").splitlines()

    def set_cable(self, plugged):
        """Plugs the network cable in or pulls it out."""
        self._monitor("set_link", name="cable", up=plugged)

    def run(self, command, within=PATIENCE, check=True):
        """Runs one line of shell in the guest and returns what it prints."""
        self.agent.sendall(command.encode() + b"\n")
        lines = []
        while not (line := self._line(self.agent, within)).startswith("== "):
            lines.append(line)
        assert not check or line == "== 0", f"{command}: {line}: {lines}"
        return "\n".join(lines)

    def write(self, path, content):
        encoded = base64.b64encode(content.encode()).decode()
        self.run(f"mkdir -p {Path(path).parent} && echo {encoded} | base64 -d >{path}")

    def uptime(self):
        """Seconds since boot as the guest has it."""
        return float(self.run("cat /proc/uptime").split()[0])

    def connected(self, port, within):
        """Waits for a connection to the port of this machine; returns when it was there, in seconds since boot."""
        peer = f"0202000A:{port:04X} 01"
        return float(self.run(f"until grep -q '{peer}' /proc/net/tcp; do sleep 0.1; done; cat /proc/uptime", within).split()[0])

    def configure(self, environment):
        """Starts the connector again with this environment."""
        self.write(f"/etc/{NAME}/environment", settings(environment))
        self.run(self.system.restart(), within=60.0)

    def pid(self):
        return int(self.run(self.system.pid))

    def memory(self):
        """Resident memory, kB, as the kernel adds it up page by page: everything, and what of it is anonymous."""
        lines = self.run(f"cat /proc/{self.pid()}/smaps_rollup").splitlines()
        sizes = {words[0]: int(words[1]) for words in map(str.split, lines) if words[-1] == "kB"}
        return sizes["Rss:"], sizes["Anonymous:"]

    def idle_memory(self):
        """The same when it has not changed for two seconds."""
        seen = []

        def settled():
            seen.append(self.memory())
            self.run("sleep 0.5")
            return len(seen) >= 5 and len(set(seen[-5:])) == 1

        until(settled, "memory to settle", within=60)
        return seen[-1]

    def sample(self):
        """Watches the peak of resident memory from now on."""
        self.run(f"echo 0 >/run/peak; /test/sample {self.pid()} >/dev/null 2>&1 &")

    def peak(self):
        """The highest of the samples and of what the kernel counted, which may be a little behind, kB."""
        counted = self.run(f"grep VmHWM /proc/{self.pid()}/status").split()[1]
        return max(int(self.run("cat /run/peak")), int(counted))

    def power_off(self, within=60.0):
        """As a person would; returns when the machine is off."""
        self.agent.sendall(b"poweroff\n")
        self.process.wait(within)

    def _connect(self, path):
        def connected():
            assert self.process.poll() is None, self.qemu_log.read_text()
            connection = socket.socket(socket.AF_UNIX)
            # The file is there before QEMU listens.
            if connection.connect_ex(str(path)) == 0:
                return connection
            connection.close()
            return None

        return until(connected, "QEMU")

    def _line(self, connection, within):
        """The next line; read byte by byte, for a command has one answer."""
        connection.settimeout(within)
        line = b""
        while not line.endswith(b"\n"):
            byte = connection.recv(1)
            assert byte, f"QEMU ended: {self.qemu_log.read_text()}"
            line += byte
        return line.decode(errors="replace").strip()

    def _monitor(self, command, **arguments):
        self.monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while "return" not in (answer := json.loads(self._line(self.monitor, PATIENCE))):
            assert "error" not in answer, f"{command}: {answer}"


def settings(environment):
    """The environment file."""
    return "".join(f"{name}={value}\n" for name, value in environment.items())
