"""What the images and packages have to agree on, taken from the files that are nearest to it: those of Cargo and of the service.

For scripts/yocto-tree and scripts/buildroot-tree; both run in the project's root.
"""

import re
import sys
import tomllib
from pathlib import Path

SERVICE = Path("targets/service")
NAME = "firehose-connector"
# Without what it installs: systemd looks there, and so does an init that runs scripts.
UNIT_FOLDER, SCRIPT_FOLDER = "/usr/lib/systemd/system", "/etc/init.d"


def line(file: Path, pattern: str) -> str:
    """What the group in `pattern` is in the only line of `file` that it matches."""
    if not file.is_file():
        sys.exit(f"there is no {file}")
    found = re.findall(pattern, file.read_text(), re.MULTILINE)
    if len(set(found)) != 1:
        sys.exit(f"{file}: one line is wanted for {pattern}, and there are {len(found)}")
    return found[0]


def cargo() -> dict:
    return tomllib.loads(Path("Cargo.toml").read_text())


def version() -> str:
    return cargo()["package"]["version"]


def repository() -> str:
    return cargo()["package"]["repository"]


def tests() -> list[str]:
    return [test["name"] for test in cargo()["test"]]


def targets() -> list[str]:
    """Those that static programs are built for."""
    return list(tomllib.loads(Path("Cross.toml").read_text())["target"])


def release() -> str:
    """Where the files of a release are."""
    return f"{repository()}/releases/download/v{version()}"


def sources() -> str:
    return f"{NAME}-{version()}.tar.gz"


def program(target: str) -> str:
    return f"{NAME}-{version()}-{target}"


def user() -> str:
    return line(SERVICE / f"{NAME}.sysusers", r"^u (\S+) ")


def daemon() -> str:
    return line(SERVICE / f"{NAME}.service", r"^ExecStart=(\S+) run$")


def environment() -> str:
    return line(SERVICE / f"{NAME}.service", r"^EnvironmentFile=-(\S+)$")


def state() -> str:
    """The folder of the spool."""
    return line(SERVICE / f"{NAME}.service", r"^ReadWritePaths=-(\S+)$")


def owners() -> dict[str, tuple[int, str]]:
    """Modes and owners that differ from those of any file."""
    return {environment(): (0o640, f"root:{user()}"), state(): (0o700, f"{user()}:{user()}")}


def executables(script: str) -> set[str]:
    return {daemon(), f"{SCRIPT_FOLDER}/{script}"}


def installed(script: str) -> dict[str, str]:
    """What every image gets, with the file of the service that it comes from; `script` is what its init calls the script."""
    return {
        daemon(): "",
        environment(): "environment",
        f"{environment().rpartition('/')[0]}/connectors.json.sample": "connectors.json.sample",
        f"{UNIT_FOLDER}/{NAME}.service": f"{NAME}.service",
        f"{SCRIPT_FOLDER}/{script}": f"{NAME}.init",
    }


def differing(what: Path | str, found: dict | set, wanted: dict | set) -> list[str]:
    """What is said of each that is on one side alone."""

    def items(part: dict | set) -> set[str]:
        return {f"{key} ({value})" if value else key for key, value in part.items()} if isinstance(part, dict) else part

    missing, more = items(wanted) - items(found), items(found) - items(wanted)
    return [f"{what}: {item} is missing" for item in sorted(missing)] + [f"{what}: {item} is too much" for item in sorted(more)]


def service() -> list[str]:
    """Whether the files of the service, and what Debian's package makes of them, say the same."""
    files = [*filter(None, installed("").values()), f"{NAME}.sysusers"]
    if found := [f"{SERVICE}: there is no {file}" for file in files if not (SERVICE / file).is_file()]:
        return found
    unit, script = SERVICE / f"{NAME}.service", SERVICE / f"{NAME}.init"
    name = line(script, r"^name=(.*)$")
    said = {
        f"{unit}: User": line(unit, r"^User=(.*)$"),
        f"{unit}: Group": line(unit, r"^Group=(.*)$"),
        f"{script}: user": line(script, r"^user=\$\{SERVICE_USER-(.*)\}$").replace("$name", name),
    }
    for file in sorted(Path("targets/debian").glob("p*")):
        code = re.sub(r"^ *#.*", "", file.read_text(), flags=re.MULTILINE)
        said.update({f"{file}: {owner}": owner for owner in re.findall(r" (?:-o|-g|chgrp|chown) ([a-z][\w-]*)", code)})
    found += [f"{where} is not the user of {NAME}.sysusers, {user()}" for where, what in said.items() if what != user()]
    for variable, wanted in (("daemon", daemon()), ("environment", environment()), ("state", state())):
        if (path := line(script, rf"^{variable}=\$root(.*)$").replace("$name", name)) != wanted:
            found.append(f"{script}: {variable} is {path}, and {wanted} in the unit")
    assets = {}
    for source, place, mode in cargo()["package"]["metadata"]["deb"]["assets"]:
        place = f"/{place}{source.rpartition('/')[2]}" if place.endswith("/") else f"/{place}"
        assets[place] = source.removeprefix(f"{SERVICE}/") if source != f"target/release/{NAME}" else ""
        if source.startswith("targets/") and not Path(source).is_file():
            found.append(f"Cargo.toml: metadata.deb: there is no {source}")
        wanted = 0o755 if place in executables(NAME) else owners().get(place, (0o644,))[0]
        if int(mode, 8) != wanted:
            found.append(f"Cargo.toml: metadata.deb: {place} has the mode {mode}")
    sysusers = line(Path("targets/debian/postinst"), r"systemd-sysusers (\S+)")
    wanted = {**installed(NAME), f"/usr/lib/sysusers.d/{sysusers}": f"{NAME}.sysusers"}
    return found + differing("Cargo.toml: metadata.deb", {place: assets[place] for place in wanted if place in assets}, wanted)
