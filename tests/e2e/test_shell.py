"""What a person types: completion, and help on a terminal of 80 columns."""

import subprocess

import pytest
from parts.connector import run
from parts.service import ROOT

COMPLETE = """
source "$1"
COMP_WORDS=(firehose-connector "${@:2}")
COMP_CWORD=$(($# - 1))
_firehose_connector
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["r"], ["run"]),
        (["check", "--"], ["--definition", "--json", "--online", "--send-test-record", "--client-id", "--help"]),
        (["run", "--d"], ["--definition"]),
        (["run", "--json"], [""]),
        (["help", ""], ["run", "check"]),
        (["run", "--definition", "Cargo.t"], ["Cargo.toml"]),
        (["run", "--definition", "=", "Cargo.t"], ["Cargo.toml"]),
        (["check", "--client-id", ""], [""]),
    ],
)
def test_bash_completes(typed, offered):
    script = ROOT / "targets/completion/firehose-connector.bash"
    found = subprocess.run(
        ["bash", "-ec", COMPLETE, "bash", script, *typed], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines() == offered


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["check", "--help"], ["help", "check"]])
def test_help_fits_a_terminal(words):
    help_text = run(words)
    assert help_text.returncode == 0
    assert all(len(line) <= 80 for line in help_text.stdout.splitlines())


def test_a_wrong_option_is_answered_once_with_what_is_meant():
    answer = run(["check", "--onlin"])
    assert answer.returncode == 64
    assert answer.stderr.splitlines() == ['unknown option "--onlin"; did you mean --online?']
