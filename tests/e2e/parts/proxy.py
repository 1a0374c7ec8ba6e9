"""A real proxy, tinyproxy, on loopback."""

import subprocess

from .waiting import end, free_port, started

CONFIGURATION = """
Port {port}
Listen 127.0.0.1
Timeout 600
LogFile "{folder}/tinyproxy.log"
LogLevel Connect
MaxClients 100
Allow 127.0.0.1
{more}
"""

# Not loopback, so it goes by a proxy; yet who connects to it comes to this machine's loopback.
HERE = "0.0.0.0"


class Proxy:
    def __init__(self, folder, more=""):
        self.port = free_port()
        self.log_file = folder / "tinyproxy.log"
        configuration = folder / "tinyproxy.conf"
        configuration.write_text(CONFIGURATION.format(port=self.port, folder=folder, more=more))
        self.process = subprocess.Popen(
            ["tinyproxy", "-d", "-c", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        started(self.process, self.port, "tinyproxy")
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self):
        end(self.process)

    def connections(self, port):
        """How often it was asked to connect to a port of this machine."""
        return self.log_file.read_text(errors="replace").count(f"CONNECT {HERE}:{port} ")
