"""What nothing that the connector says may hold: the debug output of a Rust type, and secrets."""

import re
from pathlib import Path
from urllib.parse import unquote

from .service import ROOT

# As `{:?}` writes values: Foo(Bar), Some("x"), Foo { bar: 1 }, [1, 2, 3, 4].
DEBUG = re.compile(r"\b[A-Z]\w*\([^)]|\b[A-Z]\w* \{ \w+:|\[\d+(?:, \d+){3,}")
# And the name of a variant alone, such as NotAuthorized, where no path, host or ARN goes on.
NAME = r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+"
VARIANT = re.compile(rf"(?<![\w/.:-]){NAME}(?![\w/:-])")
# Names that users know, those of services among them.
PAGES = ("README.md", "targets/service/README.md", "targets/README.md", "src/sandbox/README.md", "tests/README.md")
KNOWN = {name for page in PAGES for name in re.findall(NAME, (ROOT / page).read_text())}

# Bytes of a secret in a row that give it away, and of a secret that is looked for.
WINDOW = 12
LEAST = 6


def faults(said, given, environment):
    """What is wrong with the output of a connector that had this definition and this environment."""
    known = KNOWN | set(re.findall(NAME, f"{given} {environment}"))
    found = [f"debug output: {match[0]!r}" for match in DEBUG.finditer(said)]
    found += [f"debug output: {name}" for name in VARIANT.findall(said) if name not in known and not _code(name)]
    found += [f"the secret of {name}" for name, secret in _secrets(environment) if _gives_away(said, secret)]
    return sorted(set(found))


def _code(name):
    """An error code of a service, as it is."""
    return name.endswith("Exception")


def _gives_away(said, secret):
    if len(secret) < LEAST:
        return False
    return secret in said or any(secret[at : at + WINDOW] in said for at in range(len(secret) - WINDOW + 1))


def _secrets(environment):
    """The secrets that the environment holds, or names a file of."""
    for name, value in environment.items():
        if name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
            yield name, value
        elif name.upper().endswith("_PROXY") and "@" in value:
            password = value.rpartition("@")[0].rpartition("/")[2].partition(":")[2]
            yield name, password
            yield name, unquote(password)
        elif name.endswith(("PASSWORD_FILE", "TOKEN_FILE")):
            yield name, _read(value).strip()
        elif name.endswith("_KEY"):
            yield from ((name, line) for line in _read(value).splitlines() if "-----" not in line)
        elif name == "AWS_SHARED_CREDENTIALS_FILE":
            for line in _read(value).splitlines():
                key, _, secret = line.partition("=")
                if key.strip() in ("aws_secret_access_key", "aws_session_token"):
                    yield name, secret.strip()


def _read(path):
    file = Path(path)
    return file.read_text(errors="replace") if file.is_file() else ""
