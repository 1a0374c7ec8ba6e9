"""A CA of the test's own, and the certificates that it signs for this machine, as itself and its QEMU guests name it."""

import datetime
import ipaddress
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

YEAR = datetime.timedelta(days=365)


class Authority:
    """Signs certificates that are valid since `age`; `file` is the PEM file of its own."""

    def __init__(self, folder, name="Test CA", age=YEAR, key=None):
        self.age = age
        self.folder = folder / name.replace(" ", "-")
        self.folder.mkdir()
        self.subject = _subject(name)
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        authority = x509.BasicConstraints(ca=True, path_length=0)
        builder = self._builder(self.subject, self.key).add_extension(authority, critical=True)
        self.file = self._write("ca.pem", _pem(builder.sign(self.key, hashes.SHA256())))

    def issue(
        self,
        name,
        hosts=("localhost", "127.0.0.1", "0.0.0.0", "10.0.2.2"),
        left=YEAR,
        key=None,
        digest=None,
        usage=None,
        issuer_too=False,
    ):
        """A certificate for these hosts, good for the time left, and its key, as PEM files; with `issuer_too` one that has
        signed itself and is a CA, as `openssl req -x509` makes it."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        signer = self.key
        builder = self._builder(_subject(name), key, left, issuer=_subject(name) if issuer_too else None)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if issuer_too:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            signer = key
        secret = _secret(key)
        certificate = _pem(builder.sign(signer, digest or hashes.SHA256()))
        return SimpleNamespace(
            certificate=self._write(f"{name}.pem", certificate), key=self._write(f"{name}.key", secret)
        )

    def key_file(self):
        """Its own key, as a PEM file."""
        return self._write("ca.key", _secret(self.key))

    def _builder(self, subject, key, left=YEAR, issuer=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - self.age)
            .not_valid_after(now + left)
        )

    def _write(self, name, content):
        file = self.folder / name
        file.write_bytes(content)
        return str(file)


def _host(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _subject(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _secret(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)
