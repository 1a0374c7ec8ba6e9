"""The table of brokers: `python -m parts.matrix XML KEPT` adds what a run of test_brokers.py had to what is kept, and prints it all."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

from .brokers import KINDS

STEPS = {
    "test_connect": "connect",
    "test_json_binary_and_override": "JSON, binary, override",
    "test_a_thousand_records_are_answered_once_each": "1,000 records",
    "test_an_oversized_publish_is_answered_and_what_follows_comes_through": "oversized",
    "test_restart": "restart",
    "test_login": "login",
    "test_tls": "TLS",
    "test_check": "`check --online`",
}


def results(junit):
    """Of each broker the steps that were tried, and whether they went well."""
    found = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        step, _, name = case.get("name").rstrip("]").partition("[")
        went_well = case.find("failure") is None and case.find("error") is None
        if case.find("skipped") is None and step in STEPS:
            # A test may have two cases: itself and its end.
            steps = found.setdefault(name, {})
            steps[step] = steps.get(step, True) and went_well
    return found


def main():
    junit, kept = map(Path, sys.argv[1:])
    rows = json.loads(kept.read_text()) if kept.exists() else {}
    for name, steps in results(junit).items():
        kind = next(kind for kind in KINDS if kind.name == name)
        version = kind.version()
        rows[f"{name} {version}"] = {"name": name, "version": version, "speaks": kind.spoken(), "steps": steps}
    kept.write_text(json.dumps(rows, indent=1))
    print("| Broker | Version | MQTT |", " | ".join(STEPS.values()), "|")
    print("|---|---|---|" + "---|" * len(STEPS))
    order = [kind.name for kind in KINDS]
    for row in sorted(rows.values(), key=lambda row: (order.index(row["name"]), row["version"])):
        words = {True: "yes", False: "**no**", None: ""}
        cells = [words[row["steps"].get(step)] for step in STEPS]
        print(f"| {row['name']} | {row['version']} | {row['speaks']} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
