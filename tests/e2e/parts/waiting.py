"""Waiting for a condition, never for a time."""

import socket
import time

PATIENCE = 30.0
# What keeps the ports of `free_port`.
_KEPT = []


def until(condition, what, within=PATIENCE):
    """Returns what `condition` returns once that is true; fails, saying what was waited for, when it never is."""
    deadline = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {within} s for {what}"
        time.sleep(0.02)


def quickest(attempt, limit):
    """One of up to three attempts, each of which returns how many seconds it took, takes no more than `limit`: a program that takes too
    long does so each time, a machine that stood still does not."""
    taken = []
    while len(taken) < 3 and not (taken and taken[-1] <= limit):
        taken.append(attempt())
    assert taken[-1] <= limit, f"{taken} s instead of {limit} s"


def listens(port):
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def started(process, port, what, within=PATIENCE):
    """Waits until the process, which is to listen there, does."""
    until(lambda: process.poll() is not None or listens(port), f"{what} to listen", within)
    assert process.poll() is None, f"{what} ended with {process.returncode} instead of listening on port {port}"


def free_port():
    """A port for a program that cannot say which one the kernel gave it, or where nobody is to listen. It is this process's until its
    end: bound and not listening it refuses connections, the kernel gives it to nobody, and a program that names it can have it."""
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _KEPT.append(kept)
    return kept.getsockname()[1]


def end(process, within=10.0):
    """Ends a process of ours, politely first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within)
        except Exception:
            process.kill()
            process.wait()
