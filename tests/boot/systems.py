"""The systems that are booted: what is in them, and how their init is spoken to."""

import os
import shutil
import subprocess
from pathlib import Path

from parts.service import ROOT, TARGET

GUESTS = Path(__file__).parent / "guests"
CACHE = ROOT / ".cache/boot"
BUILT = Path(os.environ.get("FIREHOSE_CONNECTOR_BOOT_DIR", TARGET))
NAME = "firehose-connector"
AARCH64 = "aarch64-unknown-linux-musl"
ARMV7 = "armv7-unknown-linux-musleabihf"
QEMU = {
    AARCH64: ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53"],
    ARMV7: ["qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15"],
}


def binary(target):
    """The connector that is built for the target."""
    return BUILT / target / "release" / NAME


def probe(target):
    """The program that tries what a confined process cannot do."""
    return BUILT / target / "debug/examples/sandbox-probe"


class System:
    """What the kernel of a target is given to unpack into memory. `name` heads the column of its figures."""

    def __init__(self, name, target):
        self.name = name
        self.target = target
        self.kernel = CACHE / target / "vmlinuz"

    def __str__(self):
        return self.name

    def budget(self):
        """The figures of targets/TARGET/budget."""
        lines = (ROOT / "targets" / self.target / "budget").read_text().splitlines()
        pairs = (line.split("=") for line in lines if line.strip() and not line.startswith("#"))
        return {name.strip(): int(value) for name, value in pairs}

    def qemu(self):
        return [*QEMU[self.target], *self.size, "-append", f"console=ttyAMA0 quiet panic=-1 {self.arguments}"]

    def image(self, folder, configuration):
        """Makes the archive. `configuration`: file name to content."""
        root = folder / "root"
        for guest in ["any", self.guest]:
            shutil.copytree(GUESTS / guest, root, symlinks=True, dirs_exist_ok=True)
        shutil.copytree(CACHE / self.target / "modules", root / "test/modules")
        if probe(self.target).exists():
            shutil.copy(probe(self.target), root / "test/probe")
        (root / f"etc/{NAME}").mkdir()
        for name, content in configuration.items():
            path = root / f"etc/{NAME}" / name
            path.write_text(content)
            path.chmod(0o640)
        image = folder / "initramfs"
        with image.open("wb") as out:
            self.fill(root, out)
            out.flush()
            subprocess.run("find . | cpio --quiet -o -H newc -R 0:0", shell=True, cwd=root, stdout=out, check=True)
        shutil.rmtree(root)
        return image


class Busybox(System):
    """busybox init and the service's script: the least that a gateway can be."""

    guest = "busybox"
    size = ["-m", "128"]
    arguments = "rdinit=/init"
    pid = f"cat /run/{NAME}/connector.pid"
    # Of the log, when the services were stopped for power-off.
    stopped = "services have stopped"

    def missing(self):
        return None if binary(self.target).exists() else f"{binary(self.target)} is not built"

    def restart(self):
        """What the script and the connector say goes to the console, as at boot."""
        return f"/etc/init.d/S80{NAME} restart >/dev/console 2>&1"

    def fill(self, root, _out):
        for name in ["bin", "usr/bin", "dev", "proc", "sys", "run", "tmp"]:
            (root / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(CACHE / self.target / "busybox", root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        (root / "init").symlink_to("bin/busybox")
        shutil.copy(binary(self.target), root / "usr/bin" / NAME)
        script = root / f"etc/init.d/S80{NAME}"
        shutil.copy(ROOT / f"targets/service/{NAME}.init", script)
        script.chmod(0o755)


class Debian(System):
    """systemd, and the package as apt installed it: what a Raspberry Pi has."""

    guest = "debian"
    size = ["-m", "1024", "-smp", "2"]
    # The connector's log is the journal, which is shown.
    arguments = "rdinit=/test/init net.ifnames=0 systemd.getty_auto=no systemd.condition_needs_update=no systemd.show_status=1 systemd.journald.forward_to_console=1"
    pid = f"systemctl show --property MainPID --value {NAME}"
    stopped = f"Stopped {NAME}.service"
    root = CACHE / "debian-arm64/root.cpio"

    def missing(self):
        if "FIREHOSE_CONNECTOR_BOOT_DIR" in os.environ:
            return "the package has another connector"
        return None if self.root.exists() else f"{self.root} is not made"

    def restart(self):
        return f"systemctl restart {NAME}"

    def fill(self, _root, out):
        """The kernel takes one archive after another."""
        with self.root.open("rb") as made:
            shutil.copyfileobj(made, out)


SMALL = [Busybox(target, target) for target in [AARCH64, ARMV7]]
SYSTEMS = [*SMALL, Debian("Debian arm64 with systemd", AARCH64)]
