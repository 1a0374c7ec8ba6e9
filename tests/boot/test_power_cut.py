"""Power cuts: the emulator is killed at random moments under load; what the broker was told is delivered in the end."""

import json
import os
import random
import subprocess
import threading
import time
from collections import Counter

from machine import Machine, settings
from parts.client import Client
from parts.connector import definition
from parts.service import Standin
from parts.waiting import until
from surroundings import Surroundings

# Of each target; FIREHOSE_CONNECTOR_POWER_CUTS=100 for a long run.
CUTS = int(os.environ.get("FIREHOSE_CONNECTOR_POWER_CUTS", "10"))
SEED = int(os.environ.get("FIREHOSE_CONNECTOR_SEED", str(random.randrange(1_000_000))))
DISK_BYTES = 64 * 1024 * 1024
SPOOL = "/data/spool"
# Of each cut: what was synced or delivered, and not yet acknowledged to the broker or marked.
REPEATED_MOST = 1000


def formatted(folder):
    """A disk with ext4 and a directory for the spool."""
    disk, content = folder / "disk", folder / "content"
    (content / "spool").mkdir(parents=True)
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-d", content, disk], check=True)
    return disk


def test_after_each_power_cut_what_the_broker_was_told_is_delivered(tmp_path, small_system):
    print(f"FIREHOSE_CONNECTOR_SEED={SEED}")
    chance = random.Random(SEED)
    surroundings, standin = Surroundings(tmp_path), Standin()
    client = Client(surroundings.broker.port)
    disk = formatted(tmp_path)
    environment = surroundings.plain(standin.url) | {"FIREHOSE_CONNECTOR_SPOOL": SPOOL}
    configuration = {"connectors.json": json.dumps(definition()), "environment": settings(environment)}
    published, stop = [], threading.Event()

    def publish():
        while not stop.is_set():
            record = f"record {len(published)}"
            client.send(record, str(len(published)))
            published.append(record.encode())
            time.sleep(0.01)

    publishing, machine = threading.Thread(target=publish), None
    try:
        for cut in range(CUTS + 1):
            # Now and then the service is there, so that the spool is read, too.
            standin.set_faults(down=cut < CUTS and chance.random() < 0.7)
            folder = tmp_path / f"boot-{cut}"
            folder.mkdir()
            machine = Machine(folder, small_system, configuration | surroundings.files, disk=disk)
            if cut == 0:
                until(lambda: any("broker connected" in line for line in machine.log()), "a session that lasts", within=60)
                publishing.start()
            if cut < CUTS:
                time.sleep(chance.uniform(1, 8))
                machine.process.kill()
                machine.process.wait()
        stop.set()
        publishing.join()
        until(lambda: set(standin.records()) >= set(published), f"all {len(published)} records", within=180)
        repeated = sum(times - 1 for times in Counter(standin.records()).values())
        print(f"{len(published)} records, {repeated} repeated in {CUTS} cuts")
        assert repeated <= CUTS * REPEATED_MOST
        assert set(standin.records()) == set(published), "nothing that nobody sent"
    finally:
        stop.set()
        if publishing.is_alive():
            publishing.join()
        client.close()
        if machine:
            machine.close()
        standin.close()
        surroundings.close()
