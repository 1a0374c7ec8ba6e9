"""What the connector can still read in isolation when it has been put elsewhere: files change their place while it runs, and
nobody restarts it."""

import os
import re
import shutil
import socket
import subprocess

import pytest

from parts.connector import Connector, definition
from parts.names import NETWORK

pytestmark = pytest.mark.host_only

REFUSED = "isolation lets only folders be read .* and {} is in none of them: restart the connector"


def needs_a_world():
    """Why there can be no mounts of one's own here; nothing if there can."""
    if os.geteuid() != 0:
        return "mounts are for root only"
    made = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "mounts of one's own are not allowed here" if made.returncode else ""


class World:
    """/etc and /run as the connector sees them, to be changed from outside."""

    def __init__(self, folder):
        self.etc, self.run = folder / "etc", folder / "run"
        self.run.mkdir()
        # What the resolver of a C library looks at, and no more.
        self.etc.mkdir()
        (self.etc / "nsswitch.conf").write_text("hosts: files dns\n")
        self.mounts = f"mount --bind {self.etc} /etc && mount --bind {self.run} /run && exec \"$0\" \"$@\""

    def under(self):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", self.mounts]

    def link(self, name, to):
        new = self.etc / "new"
        new.symlink_to(to)
        new.rename(self.etc / name)


@pytest.fixture
def world(tmp_path, broker, standin):
    why_not = needs_a_world()
    if why_not:
        pytest.skip(why_not)
    world = World(tmp_path)
    named = {"FIREHOSE_CONNECTOR_MQTT_URL": f"mqtt://broker.test:{broker.port}"}
    connector = Connector(tmp_path, broker.port, standin.url, definition(), named)
    world.start = lambda: connector.start(under=world.under())
    yield world
    connector.close()


# `/etc/hosts` stands for the name server: it is found on the same ways, and needs no port 53.
@pytest.mark.parametrize(
    "links",
    [
        {"hosts": "/run/systemd/resolve/hosts"},
        {"hosts": "hosts.systemd", "hosts.systemd": "../run/systemd/resolve/hosts"},
        {"hosts": "/etc/alternatives/hosts", "alternatives": "alt", "alt/hosts": "/run/connman/hosts"},
    ],
    ids=["one link", "two links", "a link by a folder that is one"],
)
def test_names_are_found_however_many_links_lead_to_a_file_that_comes_later(world, links):
    (world.etc / "alt").mkdir()
    for name, to in links.items():
        world.link(name, to)
    connector = world.start()
    connector.wait_log("broker not connected, trying on: broker.test")
    target = world.run / list(links.values())[-1].split("run/")[1]
    target.parent.mkdir(parents=True)
    target.write_text("127.0.0.1 broker.test\n")
    connector.wait_log("broker connected, session")


def test_names_are_found_when_their_file_becomes_a_link_into_a_folder_of_run_that_was_not_there(world):
    connector = world.start()
    connector.wait_log("broker not connected, trying on: broker.test")
    for folder in ["NetworkManager", "another-one"]:
        (world.run / folder).mkdir()
    (world.run / "another-one/hosts").write_text("127.0.0.1 broker.test\n")
    world.link("hosts", "/run/another-one/hosts")
    connector.wait_log("broker connected, session")


def test_the_log_says_when_isolation_is_why_names_are_not_found(world, tmp_path):
    (tmp_path / "data").mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.settimeout(30)
        silent.bind((f"{NETWORK}.253", 53))
        (world.etc / "resolv.conf").write_text(f"nameserver {silent.getsockname()[0]}\noptions timeout:1 attempts:1\n")
        connector = world.start()
        assert silent.recv(512)
        world.link("resolv.conf", tmp_path / "data/resolv.conf")
        (tmp_path / "data/resolv.conf").write_text("nameserver 127.0.0.1\n")
        connector.wait_log("broker not connected.*/etc/resolv.conf cannot be read: " + REFUSED.format(tmp_path / "data"))


def credentials(folder, key):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "credentials"
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG\n")
    return file


class Rotation:
    """Keys in a file that is put in place in one of the ways that people have."""

    def __init__(self, folder):
        self.folder = folder

    def by_link(self):
        credentials(self.folder / "v1", "AKIDONE")
        credentials(self.folder / "v2", "AKIDTWO")
        current = self.folder / "current"
        current.symlink_to("v1")
        return current / "credentials", lambda: replace(current, "v2")

    def by_link_elsewhere(self):
        credentials(self.folder / "store/v1", "AKIDONE")
        current = self.folder / "chosen/current"
        current.parent.mkdir()
        current.symlink_to(self.folder / "store/v1")

        def rotate():
            credentials(self.folder / "store/v2", "AKIDTWO")
            replace(current, self.folder / "store/v2")

        return current / "credentials", rotate

    def as_kubernetes_does(self):
        """A file that is a link by a link to a folder."""
        secret = self.folder / "secret"
        credentials(secret / "..2026_01", "AKIDONE")
        (secret / "..data").symlink_to("..2026_01")
        (secret / "credentials").symlink_to("..data/credentials")

        def rotate():
            credentials(secret / "..2026_02", "AKIDTWO")
            replace(secret / "..data", "..2026_02")
            shutil.rmtree(secret / "..2026_01")

        return secret / "credentials", rotate

    def by_folder(self):
        file = credentials(self.folder / "keys", "AKIDONE")

        def rotate():
            credentials(self.folder / "keys.new", "AKIDTWO")
            (self.folder / "keys").rename(self.folder / "keys.old")
            (self.folder / "keys.new").rename(self.folder / "keys")

        return file, rotate

    def far_away(self):
        file = credentials(self.folder / "keys", "AKIDONE")

        def rotate():
            far = credentials(self.folder.parent / "far/away", "AKIDTWO")
            replace(file, far)

        return file, rotate


def replace(link, to):
    new = link.with_name("new-link")
    new.symlink_to(to)
    new.rename(link)


@pytest.fixture
def rotated(tmp_path, connect, client, standin):
    """Starts the connector with keys, rotates them, and has it look for others, as it does when the service refuses those it
    has."""

    def rotated(way):
        folder = tmp_path / "keys-of-app"
        folder.mkdir()
        file, rotate = getattr(Rotation(folder), way)()
        none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "HOME": None}
        connector = connect(definition(), AWS_SHARED_CREDENTIALS_FILE=str(file), **none)
        connector.wait_log("credentials found .*key=AKIDONE")
        rotate()
        standin.set_faults(keys={"AKIDONE": {"code": "ExpiredTokenException", "message": "it has expired"}})
        client.send("id", "data")
        return connector

    return rotated


@pytest.mark.parametrize("way", ["by_link", "by_link_elsewhere", "as_kubernetes_does", "by_folder"])
def test_rotated_keys_are_found_without_a_restart(rotated, client, way):
    rotated(way)
    assert client.wait_entries(1)[0]["status"] == "success"


def test_keys_moved_out_of_reach_are_logged_with_the_way_out(rotated, tmp_path):
    line = rotated("far_away").wait_log("credentials not found: ")
    assert re.search("credentials cannot be read: " + REFUSED.format(tmp_path / "far/away"), line), line
