"""How often a process wakes: each time that one of its threads has waited is a voluntary context switch."""

import os
import time


def switches(pid):
    """Voluntary context switches of all threads so far."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches:"))
    return total


class Wakeups:
    """Counts those of a process from now on."""

    def __init__(self, pid):
        self.pid, self.since, self.before = pid, time.monotonic(), switches(pid)

    def a_second(self):
        return (switches(self.pid) - self.before) / (time.monotonic() - self.since)
