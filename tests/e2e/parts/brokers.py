"""Brokers of other makers, each started for one test on loopback: plain, with a login, or with TLS."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .broker import CONFIGURATION, Mosquitto
from .waiting import end, free_port, started

# What scripts/brokers has installed that no package of the system has, and another Debian, whose packages are taken then.
CACHE = Path(os.environ.get("BROKERS_FOLDER", Path(__file__).parents[3] / ".cache/brokers"))
ROOT = os.environ.get("BROKERS_ROOT", "/")
USERNAME, PASSWORD = "gateway", "wrong-horse-9"

ENTER = """
set -e
for folder in tmp proc dev; do mount --rbind /$folder "$0/$folder"; done
exec chroot "$0" env --chdir="$PWD" "$@"
"""


def within_root(command):
    """The same in the other Debian."""
    return command if ROOT == "/" else ["unshare", "--mount", "sh", "-c", ENTER, ROOT, *command]


def output(*command, **more):
    """What a program prints, of its version for example."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **more)
    return done.stdout + done.stderr


def of_root(pattern):
    """A file of the system that there is."""
    return next(("/" + str(found.relative_to(ROOT)) for found in Path(ROOT).glob(pattern.lstrip("/"))), None)


def version_of_package(name):
    """As its makers number it."""
    status = Path(ROOT) / "var/lib/dpkg"
    version = output("dpkg-query", f"--admindir={status}", "-W", "-f", "${Version}", name)
    return version.partition(":")[2].partition("-")[0] if ":" in version else version.partition("-")[0]


class Broker:
    """One that can be stopped and started again. `setting` is what FIREHOSE_CONNECTOR_MQTT_VERSION is for it, `speaks` what comes of
    it."""

    name = speaks = ""
    setting = None
    user = USERNAME
    always_login = False
    # A package of the system.
    of_system = True

    def __init__(self, folder, login=False, certificate=None):
        self.folder, self.login, self.certificate = folder, login or self.always_login, certificate
        self.port = free_port()
        self.process = None

    @classmethod
    def version(cls):
        """None: it is not there."""
        raise NotImplementedError

    @classmethod
    def spoken(cls):
        """The version of MQTT that is to be spoken with it."""
        return cls.speaks

    def command(self):
        """What runs it in the foreground, and its environment."""
        raise NotImplementedError

    def start(self):
        command, environment = self.command()
        if self.of_system:
            command = within_root(command)
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command)], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment, cwd=self.folder
            )
        started(self.process, self.port, self.name, within=180)
        return self

    def stop(self):
        if self.process:
            end(self.process, within=30)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path


class OfMosquitto(Broker):
    name, speaks = "mosquitto", "5"

    @classmethod
    def version(cls):
        return version_of_package("mosquitto") if of_root("/usr/sbin/mosquitto") else None

    def command(self):
        more = "user root\n"
        if self.login:
            passwords = self.folder / "passwords"
            output(*within_root(["mosquitto_passwd", "-c", "-b", passwords, USERNAME, PASSWORD]))
            more += f"password_file {passwords}\n"
        if self.certificate:
            more += f"certfile {self.certificate.certificate}\nkeyfile {self.certificate.key}\n"
        anonymous = "false" if self.login else "true"
        text = CONFIGURATION.format(port=self.port, folder=self.folder, anonymous=anonymous, more=more)
        return ["/usr/sbin/mosquitto", "-c", self.file("mosquitto.conf", text)], {}


class OfMosquitto3(OfMosquitto):
    name, speaks, setting = "mosquitto, 3.1.1 by the setting", "3.1.1", "3.1.1"


class Amqtt(Broker):
    name, speaks, of_system = "amqtt", "3.1.1", False
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
    name, speaks, of_system = "aedes", "3.1.1", False
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

    @classmethod
    def version(cls):
        return version_of_package("nats-server") if of_root("/usr/sbin/nats-server") else None

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
        return ["/usr/sbin/nats-server", "-c", self.file("nats.conf", text)], {}


class RabbitMq(Broker):
    """Since 3.13 it speaks version 5."""

    name = "RabbitMQ"
    program = "/usr/lib/rabbitmq/bin/rabbitmq-server"

    @classmethod
    def version(cls):
        return version_of_package("rabbitmq-server") if of_root(cls.program) else None

    @classmethod
    def spoken(cls):
        major, minor = map(int, cls.version().split(".")[:2])
        return "5" if (major, minor) >= (3, 13) else "3.1.1"

    def start(self):
        self.epmd_port = free_port()
        environment = os.environ | {"ERL_EPMD_ADDRESS": "127.0.0.1"}
        self.epmd = subprocess.Popen(within_root(["epmd", "-port", str(self.epmd_port)]), env=environment)
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
        output(*within_root(["/usr/lib/rabbitmq/bin/rabbitmqctl", *arguments]), env=environment)

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


class Ejabberd(Broker):
    """It gives whoever comes without a name another one each time, so there is always a login."""

    name, speaks, user = "ejabberd", "5", f"{USERNAME}@localhost"
    libraries = "/usr/lib/*/ejabberd-*/ebin"
    always_login = True

    @classmethod
    def version(cls):
        return version_of_package("ejabberd") if of_root(cls.libraries) else None

    def command(self):
        program = self.file("passwords.pl", PASSWORDS.replace("USER", USERNAME).replace("PASSWORD", PASSWORD))
        listener = {"port": self.port, "ip": "127.0.0.1", "module": "mod_mqtt"}
        more = {}
        if self.certificate:
            both = "".join(Path(file).read_text() for file in [self.certificate.certificate, self.certificate.key])
            listener["tls"] = True
            more["certfiles"] = [str(self.file("both.pem", both))]
        configuration = {
            "hosts": ["localhost"],
            "listen": [listener],
            "auth_method": "external",
            "extauth_program": f"/usr/bin/perl {program}",
            "modules": {"mod_mqtt": {"max_queue": 5000, "session_expiry": "1 day"}},
        }
        environment = {
            "HOME": str(self.folder),
            "EJABBERD_CONFIG_PATH": str(self.file("ejabberd.yml", json.dumps(configuration | more))),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_LIBS": str(Path(of_root(self.libraries)).parents[1]),
        }
        database = f'"{self.folder}/mnesia"'
        return ["erl", "-noinput", "-mnesia", "dir", database, "-s", "ejabberd"], environment


# For ejabberd: each question has its length before it, and each answer, too.
PASSWORDS = """
while (read(STDIN, my $length, 2) == 2) {
    read(STDIN, my $question, unpack("n", $length));
    my ($command, $user, undef, $password) = split(/:/, $question, 4);
    my $known = $user eq "USER" && ($command ne "auth" || $password eq "PASSWORD");
    syswrite(STDOUT, pack("nn", 2, $known ? 1 : 0));
}
"""


class Rumqttd(Broker):
    """It has a listener for each version."""

    name, speaks, table, of_system = "rumqttd, v5 listener", "5", "v5", False

    @classmethod
    def program(cls):
        return CACHE / "cargo/bin/rumqttd"

    @classmethod
    def version(cls):
        return output(cls.program(), "--version").split()[-1] if cls.program().exists() else None

    def command(self):
        listener = f"{self.table}.1"
        text = f"""
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[{listener}]
name = "broker"
listen = "127.0.0.1:{self.port}"
next_connection_delay_ms = 1
[{listener}.connections]
connection_timeout_ms = 60000
max_payload_size = 2000000
max_inflight_count = 100
dynamic_filters = true
"""
        if self.login:
            text += f'[{listener}.connections.auth]\n{USERNAME} = "{PASSWORD}"\n'
        if self.certificate:
            text += f'[{listener}.tls]\ncertpath = "{self.certificate.certificate}"\nkeypath = "{self.certificate.key}"\n'
        return [self.program(), "-c", self.file("rumqttd.toml", text)], {}


class Rumqttd4(Rumqttd):
    name, speaks, table = "rumqttd, v4 listener", "3.1.1", "v4"


KINDS = [OfMosquitto, OfMosquitto3, Amqtt, Aedes, Nats, RabbitMq, Ejabberd, Rumqttd, Rumqttd4]
