"""A scripted name server, for a process that sees it as the system's. Needs root, for port 53 and for
mounts of its own."""

import contextlib
import itertools
import os
import select
import socket
import struct
import subprocess
import threading

A, AAAA = 1, 28
CODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
SILENCE = "silence"
IS_ANSWER, IS_TRUNCATED, RECURSION = 0x8000, 0x0200, 0x0180

_numbers = itertools.count(1)
# This process's own part of the machine's loopback.
NETWORK = f"127.{os.getpid() // 250 % 250 + 2}.{os.getpid() % 250}"


def why_not():
    """Why there can be no name server here; nothing if there can."""
    if os.geteuid() != 0:
        return "port 53 and mounts are for root only"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        return "mounts of one's own are not allowed here"
    return ""


class NameServer:
    """`names` has, by name, what is answered to each question, A and AAAA: addresses, a code, or silence.

    `truncates`: addresses come over TCP only. `search`, `options` and `hosts` are those of /etc/resolv.conf and /etc/hosts. `silent`:
    before it stands one that never answers. `link`: it has an address of this interface's link alone, as home routers have.
    """

    def __init__(self, folder, names, truncates=False, search="", options="", hosts="", silent=False, link=""):
        self.names = names
        self.truncates = truncates
        # Each has an address of its own, as tests run beside each other.
        number = next(_numbers)
        self.address, self.link, place = f"{NETWORK}.{number}", link, ()
        if link:
            self.address, place = f"fe80::53:{os.getpid() % 0x10000:x}:{number:x}", (0, socket.if_nametoindex(link))
            self._ip("add", "nodad")
        self.files = {"/etc/resolv.conf": folder / "resolv.conf", "/etc/hosts": folder / "hosts"}
        settings = "# comment\n" + (f"nameserver {NETWORK}.254\n" if silent else "")
        settings += f"nameserver {self.address}" + (f"%{link}\n" if link else "\n")
        settings += (f"search {search}\n" if search else "") + (f"options {options}\n" if options else "")
        self.files["/etc/resolv.conf"].write_text(settings)
        self.files["/etc/hosts"].write_text(hosts)
        self.asked = []
        family = socket.AF_INET6 if link else socket.AF_INET
        self.datagrams = socket.socket(family, socket.SOCK_DGRAM)
        self.datagrams.bind((self.address, 53, *place))
        self.streams = socket.create_server((self.address, 53, *place), family=family)
        # Asked, and never read.
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if silent:
            self.silent.bind((f"{NETWORK}.254", 53))
        self.wake, self.woken = os.pipe()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self):
        os.write(self.woken, b".")
        self.thread.join()
        self.datagrams.close()
        self.streams.close()
        self.silent.close()
        os.close(self.wake)
        os.close(self.woken)
        if self.link:
            self._ip("del")

    def _ip(self, what, *more):
        subprocess.run(["ip", "-6", "address", what, f"{self.address}/64", "dev", self.link, *more], check=True)

    def under(self):
        """The command that runs a process so that it finds this name server."""
        mounts = "".join(f"mount --bind '{file}' {seen} && " for seen, file in self.files.items())
        return ["unshare", "--mount", "sh", "-c", f'{mounts}exec "$@"', "sh"]

    def _serve(self):
        while True:
            ready, _, _ = select.select([self.datagrams, self.streams, self.wake], [], [])
            if self.wake in ready:
                return
            if self.datagrams in ready:
                question, asker = self.datagrams.recvfrom(512)
                if answer := self._answer(question, self.truncates):
                    self.datagrams.sendto(answer, asker)
            if self.streams in ready:
                self._serve_stream()

    def _serve_stream(self):
        stream, _ = self.streams.accept()
        with stream:
            stream.settimeout(5.0)
            with contextlib.suppress(OSError):
                self._serve_questions(stream)

    def _serve_questions(self, stream):
        while length := stream.recv(2, socket.MSG_WAITALL):
            question = stream.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
            if answer := self._answer(question, False):
                stream.sendall(struct.pack(">H", len(answer)) + answer)

    def _answer(self, message, truncates):
        name, kind, question = _question(message)
        self.asked.append((name, kind))
        what = self.names.get(name, ("NXDOMAIN", "NXDOMAIN"))[kind == AAAA] if kind in (A, AAAA) else []
        if what == SILENCE:
            return None
        addresses = [] if isinstance(what, str) else what
        flags = IS_ANSWER | RECURSION | (CODES[what] if isinstance(what, str) else 0)
        if truncates and addresses:
            flags, addresses = flags | IS_TRUNCATED, []
        family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
        records = [socket.inet_pton(family, address) for address in addresses]
        head = message[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        # A record's name is the question's, by its place in the message.
        return head + question + b"".join(
            struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(record)) + record for record in records
        )


def _question(message):
    """Name, type, and the bytes of the question."""
    labels, at = [], 12
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    (kind,) = struct.unpack(">H", message[at + 1 : at + 3])
    return ".".join(labels), kind, message[12 : at + 5]
