"""The Greengrass component: its recipe by the rules of both nuclei, and a connector that runs as the recipe has it."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from parts.client import MESSAGE
from parts.connector import run
from parts.greengrass import client, connect, nucleus  # noqa: F401
from parts.nucleus import TOKEN
from parts.recipe import access, environment, faults, lifecycle, resolved
from parts.service import ROOT, arn
from parts.waiting import until

FOLDER = ROOT / "targets/greengrass"
TEXT = (FOLDER / "recipe.yaml").read_text()
RECIPE = yaml.safe_load(TEXT)
STREAM = {"lambdaExecutionParameters.EnvironmentVariables.DEFAULT_DELIVERY_STREAM_ARN": arn("stream-name")}

# What would be wrong: a text, and what takes its place.
PLANTED = [
    ("RecipeFormatVersion:", "recipeFormatVersion:"),
    ('"2020-01-25"', "2020-01-25"),
    ('      runtime: "*"\n', ""),
    ("architecture: arm\n", "architecture: aarch64\n"),
    ("    DependencyType: HARD", "    DependencyType: SOFT"),
    ("      - Uri:", "      - URI:"),
    ("          Execute: OWNER\n", ""),
    ("  all:\n", "  All:\n"),
    ("Lifecycle:\n  all:\n", "Lifecycle:\n  - all:\n"),
    ("    Artifacts:\n", '    Lifecycle: {"run": "true"}\n    Artifacts:\n'),
    ("    Artifacts:\n", '    Selections: ["arm"]\n    Artifacts:\n'),
    ("      exec ", "      "),
    ("    run: |-\n", "    Run: |-\n"),
    ("    install: |-\n", "    shutdown: |-\n"),
    ('    install: |-\n', "    install: {RequiresPrivilege: true}\n    startup: |-\n"),
    ('-- "{artifacts:path}"', "-- {artifacts:path}"),
    ("{configuration:/log}", "{configuration:/logs}"),
    ("{configuration:/log}", "{iot:thingName}"),
    ("{configuration:/log}", '{\\"a\\": 1}'),
    ('FIREHOSE_CONNECTOR_LOG: "{configuration:/log}"', "FIREHOSE_CONNECTOR_LOG: 1"),
    ('FIREHOSE_CONNECTOR_LOG: "{', 'FIREHOSE-CONNECTOR_LOG: "{'),
    ('memorySize: "65535"', "memorySize: 65535"),
    ("aws.greengrass.ipc.pubsub:", "aws.greengrass.ipc.mqttproxy:"),
    ("  aws.greengrass.TokenExchangeService:", "  aws.greengrass.Cli: {}\n  aws.greengrass.TokenExchangeService:"),
    ('    VersionRequirement: ">=0.0.0"\n', ""),
    ("Unarchive: NONE", "Unarchive: ZIP"),
    ("    Setenv:\n", '    Setenv:\n      SVCUID: "x"\n'),
    ('"{COMPONENT_VERSION}"', '"1"'),
    ("ComponentPublisher: ", "ComponentPublisher: []  # "),
    ('    log: "info"\n', '    log: "info"\n    log: "debug"\n'),
    ("    containerParams:", "    containerParams: &it"),
    ('            - "kinesisfirehose/message/binary/#"\n', ""),
    ('            - "kinesisfirehose/message/status"\n', '            - "*"\n'),
    ("Manifests:\n", "# long\n" * 600 + "Manifests:\n"),
    ('    log: "info"\n', "".join(f"    more{number}: {'x' * 200}\n" for number in range(15))),
    ('    log: "info"\n', '    log: "info"\n' + "".join(f'    m{number}: ""\n' for number in range(20))),
]


ALL = ["aarch64", "amd64", "arm"]
# Programs that are there, what the machine calls itself, and what runs.
PROGRAMS = [
    *(([architecture], "whatever", architecture) for architecture in ALL),
    (["arm"], "aarch64", "arm"),
    (ALL, "aarch64", "aarch64"),
    (ALL, "armv7l", "arm"),
    (ALL, "armv8l", "arm"),
    (ALL, "x86_64", "amd64"),
]


def test_both_nuclei_take_the_recipe():
    assert faults(TEXT) == []


@pytest.mark.parametrize(("text", "fault"), PLANTED)
def test_what_one_of_them_would_not_take_is_found(text, fault):
    assert text in TEXT
    assert faults(TEXT.replace(text, fault, 1))


@pytest.mark.parametrize(("there", "machine", "runs"), PROGRAMS)
@pytest.mark.parametrize("shell", [["dash"], ["bash"], ["busybox", "sh"]])
def test_the_program_of_the_architecture_is_run(there, machine, runs, shell, tmp_path):
    artifacts = tmp_path / "a folder"
    artifacts.mkdir()
    for name in [f"a folder/firehose-connector-{architecture}" for architecture in there] + ["uname"]:
        (tmp_path / name).write_text(f"#!/bin/sh\necho {machine}\n" if name == "uname" else '#!/bin/sh\necho "$0" "$@"\n')
        (tmp_path / name).chmod(0o755)
    for phase, argument in (("install", "check"), ("run", "run")):
        command = [*shell, "-c", resolved(lifecycle(RECIPE)[phase], {}, artifacts)]
        done = subprocess.run(command, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, f"{artifacts}/firehose-connector-{runs} {argument}\n"), done.stderr


def test_its_variables_are_the_connector_s_and_its_defaults_are_the_defaults():
    variables = environment(RECIPE, **STREAM)
    known = (ROOT / "src/config/environment.rs").read_text()
    assert all(f'"{name}"' in known for name in variables)
    done = run(["check"], variables | {"SVCUID": TOKEN, "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": "ipc.socket"})
    assert done.returncode == 0, done.stderr
    for line in ["DeliveryStreamQueueSize     5000 records", "MemorySize                  65535 KB", "PublishInterval             10 s"]:
        assert line in done.stdout
    assert "GreengrassContainer" in done.stdout, "isolation is on, whatever containerMode says"


def test_without_a_delivery_stream_the_deployment_fails_at_install():
    variables = environment(RECIPE)
    done = run(["check"], variables | {"SVCUID": TOKEN, "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": "ipc.socket"})
    assert done.returncode == 78
    assert "DEFAULT_DELIVERY_STREAM_ARN" in done.stderr


def test_a_connector_runs_as_the_recipe_has_it(connect, client, nucleus, standin):
    nucleus.access = access(RECIPE)
    stream = {name: "1.0" if "INTERVAL" in name else value for name, value in STREAM.items()}
    stream["lambdaExecutionParameters.EnvironmentVariables.PUBLISH_INTERVAL"] = 1.0
    connector = connect(**environment(RECIPE, **stream))
    nucleus.publish(MESSAGE, {"request": {"data": "x"}, "id": "1"})
    (entry,) = client.wait_entries(1)
    assert entry["status"] == "success"
    until(lambda: len(nucleus.subscribed()) == 2, "both subscriptions")
    assert not connector.complaints()


def test_build_puts_recipe_and_binaries_where_gdk_and_local_deployments_look(tmp_path):
    for folder in ["aarch64-unknown-linux-musl/release", "x86_64-unknown-linux-musl/release"]:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "firehose-connector").write_text("#!/bin/sh\n")
        (tmp_path / folder / "firehose-connector").chmod(0o755)
    project = tmp_path / "project/targets/greengrass"
    project.mkdir(parents=True)
    for file in ["build", "gdk-config.json", "recipe.yaml"]:
        (project / file).write_bytes((FOLDER / file).read_bytes())
    ((name, _),) = json.loads((FOLDER / "gdk-config.json").read_text())["component"].items()

    def build(*arguments):
        command = [sys.executable, project / "build", *arguments]
        settings = os.environ | {"CARGO_TARGET_DIR": str(tmp_path)}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=True, umask=0o077)
        assert "without arm" in done.stdout
        made = project / "greengrass-build"
        modes = {path.stat().st_mode & 0o777 for path in made.rglob("*") if path.suffix == ".yaml"}
        assert modes == {0o644}, "nucleus lite keeps them, and reads it as another user"
        modes = {path.stat().st_mode & 0o777 for path in made.rglob("*") if path.suffix != ".yaml"}
        assert modes == {0o755}
        files = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
        return files, yaml.safe_load(next((made / "recipes").iterdir()).read_text())

    files, recipe = build()
    artifacts = f"artifacts/{name}/NEXT_PATCH/firehose-connector-"
    assert files == [artifacts + "aarch64", artifacts + "amd64", "recipes/recipe.yaml"]
    assert (recipe["ComponentName"], recipe["ComponentVersion"]) == (name, "{COMPONENT_VERSION}")
    assert environment(recipe)["DEFAULT_DELIVERY_STREAM_ARN"] == ""
    files, recipe = build("1.0.0", arn("stream-name"))
    assert f"recipes/{name}-1.0.0.yaml" in files and recipe["ComponentVersion"] == "1.0.0"
    assert environment(recipe)["DEFAULT_DELIVERY_STREAM_ARN"] == arn("stream-name")
    assert [manifest["Platform"]["architecture"] for manifest in recipe["Manifests"]] == ["aarch64", "amd64"]
    assert re.search("NEXT_PATCH", "".join(files)) is None
    for arguments, fault in [
        (["1"], "'1' is no version such as 1.0.0"),
        (["1.0.0", "arn:aws:kinesis:eu-west-1:123456789012:stream/a"], "is not the ARN of a delivery stream"),
    ]:
        done = subprocess.run([sys.executable, project / "build", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and fault in done.stderr
