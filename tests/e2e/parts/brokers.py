"""Brokers of other makers, each started for one test on loopback: plain, with a login, or with TLS."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .broker import CONFIGURATION, Mosquitto
from .waiting import end, free_port, listens, until

# What scripts/brokers has installed that no package of the system has.
CACHE = Path(os.environ.get("BROKERS_FOLDER", Path(__file__).parents[3] / ".cache/brokers"))
USERNAME, PASSWORD = "gateway", "wrong-horse-9"


def output(*command, **more):
    """What the program prints of its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    return done.stdout + done.stderr


class Broker:
    """One that can be stopped and started again. `setting` is what FIREHOSE_CONNECTOR_MQTT_VERSION is for it, `speaks` what comes of
    it."""

    name = speaks = ""
    setting = None
    patience = 30.0

    def __init__(self, folder, login=False, certificate=None):
        self.folder, self.login, self.certificate = folder, login, certificate
        self.port = free_port()
        self.process = None

    @classmethod
    def version(cls):
        """None: it is not there."""
        raise NotImplementedError

    def command(self):
        """What runs it in the foreground, and its environment."""
        raise NotImplementedError

    def start(self):
        command, environment = self.command()
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command)], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment, cwd=self.folder
            )
        until(lambda: listens(self.port), f"{self.name} to listen", within=60)
        return self

    def stop(self):
        end(self.process, within=30)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path


class OfMosquitto(Broker):
    name, speaks = "mosquitto", "5"
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"

    @classmethod
    def version(cls):
        return output(cls.program, "-h").split()[2] if Path(cls.program).exists() else None

    def command(self):
        more = "user root\n"
        if self.login:
            passwords = self.folder / "passwords"
            subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, USERNAME, PASSWORD], check=True)
            more += f"password_file {passwords}\n"
        if self.certificate:
            more += f"certfile {self.certificate.certificate}\nkeyfile {self.certificate.key}\n"
        anonymous = "false" if self.login else "true"
        text = CONFIGURATION.format(port=self.port, folder=self.folder, anonymous=anonymous, more=more)
        return [self.program, "-c", self.file("mosquitto.conf", text)], {}


class OfMosquitto3(OfMosquitto):
    name, speaks, setting = "mosquitto, 3.1.1 by the setting", "3.1.1", "3.1.1"


class Amqtt(Broker):
    name, speaks = "amqtt", "3.1.1"
    programs = [Path(sys.executable).parent / "amqtt", CACHE / "venv/bin/amqtt"]

    @classmethod
    def program(cls):
        return next(filter(Path.exists, cls.programs), None)

    @classmethod
    def version(cls):
        return cls.program() and output(cls.program(), "--version").split()[-1]

    def command(self):
        listener = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        if self.certificate:
            listener |= {"ssl": True, "certfile": str(self.certificate.certificate), "keyfile": str(self.certificate.key)}
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": not self.login}}
        if self.login:
            program = "import sys, pwdlib.hashers.argon2 as a; print(a.Argon2Hasher().hash(sys.argv[1]))"
            hashed = output(self.program().parent / "python", "-c", program, PASSWORD)
            passwords = self.file("passwords", f"{USERNAME}:{hashed.strip()}\n")
            plugins = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)}}
        # YAML has JSON in it.
        configuration = self.file("amqtt.yaml", json.dumps({"listeners": {"default": listener}, "plugins": plugins}))
        return [self.program(), "-c", configuration], {}


class Aedes(Broker):
    name, speaks = "aedes", "3.1.1"
    module = CACHE / "node/node_modules/aedes"

    @classmethod
    def version(cls):
        if not cls.module.exists() or not shutil.which("node"):
            return None
        return json.loads((cls.module / "package.json").read_text())["version"]

    def command(self):
        options = {"port": self.port, "login": [USERNAME, PASSWORD] if self.login else None, "module": str(self.module / "aedes.js")}
        if self.certificate:
            options |= {"cert": str(self.certificate.certificate), "key": str(self.certificate.key)}
        return ["node", Path(__file__).parent / "aedes.mjs", json.dumps(options)], {}


class Nats(Broker):
    name, speaks = "NATS server", "3.1.1"
    programs = [shutil.which("nats-server") or "", CACHE / "nats/usr/sbin/nats-server"]

    @classmethod
    def program(cls):
        return next((str(program) for program in cls.programs if program and Path(program).exists()), None)

    @classmethod
    def version(cls):
        return cls.program() and output(cls.program(), "--version").split()[-1].lstrip("v")

    def command(self):
        more = f'authorization {{ user: {USERNAME}, password: "{PASSWORD}" }}\n' if self.login else ""
        tls = ""
        if self.certificate:
            tls = f'tls {{ cert_file: "{self.certificate.certificate}", key_file: "{self.certificate.key}" }}'
        text = f"""
server_name: broker
listen: "127.0.0.1:{free_port()}"
jetstream {{ store_dir: "{self.folder}/store" }}
mqtt {{ listen: "127.0.0.1:{self.port}", max_ack_pending: 1000, {tls} }}
{more}"""
        return [self.program(), "-c", self.file("nats.conf", text)], {}


class RabbitMq(Broker):
    """Since 3.13 it speaks version 5."""

    name = "RabbitMQ"
    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

    @classmethod
    def version(cls):
        if not cls.program.exists():
            return None
        return output("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server").partition("-")[0]

    @property
    def speaks(self):
        major, minor = map(int, self.version().split(".")[:2])
        return "5" if (major, minor) >= (3, 13) else "3.1.1"

    def start(self):
        self.epmd_port = free_port()
        environment = os.environ | {"ERL_EPMD_ADDRESS": "127.0.0.1"}
        self.epmd = subprocess.Popen(["epmd", "-port", str(self.epmd_port)], env=environment)
        until(lambda: listens(self.epmd_port), "epmd to listen")
        super().start()
        if self.login:
            self._ctl("add_user", USERNAME, PASSWORD)
            self._ctl("set_permissions", USERNAME, ".*", ".*", ".*")
        return self

    def stop(self):
        super().stop()
        end(self.epmd)

    def _ctl(self, *arguments):
        environment = os.environ | self.environment()
        subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", *arguments], env=environment, check=False, capture_output=True)

    def environment(self):
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "RABBITMQ_NODENAME": f"broker{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def command(self):
        self.file("plugins", "[rabbitmq_mqtt].\n")
        text = "listeners.tcp = none\n"
        if self.certificate:
            text += f"mqtt.listeners.tcp = none\nmqtt.listeners.ssl.default = 127.0.0.1:{self.port}\n"
            text += f"ssl_options.certfile = {self.certificate.certificate}\nssl_options.keyfile = {self.certificate.key}\n"
        else:
            text += f"mqtt.listeners.tcp.default = 127.0.0.1:{self.port}\n"
        text += "mqtt.allow_anonymous = false\n" if self.login else "mqtt.allow_anonymous = true\n"
        self.file("rabbitmq.conf", text)
        return [self.program], self.environment()


KINDS = [OfMosquitto, OfMosquitto3, Amqtt, Aedes, Nats, RabbitMq]
