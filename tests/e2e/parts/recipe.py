"""What the classic nucleus and nucleus lite want of a recipe, as far as their sources and documents say, and how they read one."""

import json
import re

import yaml

MOST_BYTES = 16 * 1024
# Nucleus lite: bytes of a script, and of what stands between braces (recipe-runner, runner.c).
MOST_SCRIPT = 10_000
MOST_ESCAPE = 256
TOP = {
    "RecipeFormatVersion",
    "ComponentName",
    "ComponentVersion",
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentDependencies",
    "ComponentConfiguration",
    "Manifests",
}
ARCHITECTURES = {"aarch64", "arm", "amd64"}
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"


def value_at(configuration, pointer):
    for key in pointer.removeprefix("/").split("/"):
        configuration = configuration[key]
    return configuration


def resolved(text, configuration, artifacts="/artifacts"):
    """As both nuclei put values in place: what is not text becomes JSON."""

    def value(found):
        if found[1] == "artifacts:path":
            return str(artifacts)
        value = value_at(configuration, found[1].removeprefix("configuration:"))
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

    return re.sub(r"\{([^{}]*)\}", value, text)


def default_configuration(recipe):
    return recipe["ComponentConfiguration"]["DefaultConfiguration"]


def environment(recipe, phase="run", architecture="amd64", **changes):
    """What the phase's process gets, with changes to the default configuration by pointer, dots for slashes."""
    configuration = json.loads(json.dumps(default_configuration(recipe)))
    for pointer, value in changes.items():
        *way, last = pointer.split(".")
        inner = value_at(configuration, "/".join(way)) if way else configuration
        inner[last] = value
    (manifest,) = [it for it in recipe["Manifests"] if it["Platform"]["architecture"] == architecture]
    return {name: resolved(text, configuration) for name, text in manifest["Lifecycle"][phase]["Setenv"].items()}


def access(recipe):
    """Resources by operation."""
    allowed = {}
    for policies in default_configuration(recipe)["accessControl"].values():
        for policy in policies.values():
            for operation in policy["operations"]:
                allowed.setdefault(operation.removeprefix("aws.greengrass#"), []).extend(policy["resources"])
    return allowed


def faults(text):
    """What either nucleus, or the way of this component, has against a recipe."""
    found = []

    def wants(right, what):
        if not right:
            found.append(what)

    wants(len(text.encode()) <= MOST_BYTES, "16 KiB at most")
    kinds = (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)
    wants(not any(isinstance(token, kinds) for token in yaml.scan(text)), "no anchors, aliases, tags")
    recipe = yaml.safe_load(text)
    wants(set(recipe) == TOP, f"keys in their case: {set(recipe) ^ TOP}")
    wants(recipe.get("RecipeFormatVersion") == "2020-01-25", "the format's version as text")
    dependency = recipe.get("ComponentDependencies", {}).get(TOKEN_EXCHANGE, {})
    wants(dependency.get("DependencyType") == "HARD", "a token exchange service to depend on")
    configuration = default_configuration(recipe)
    topics = configuration["pubsubTopics"]
    wants(all(topic["type"] in ("Pubsub", "IotCore") for topic in topics.values()), "types of topics")
    subscribed = [topic["topic"] for topic in topics.values()]
    status = ["kinesisfirehose/message/status"]
    wants(access(recipe) == {"SubscribeToTopic": subscribed, "PublishToTopic": status}, "access to what is used, no more")
    manifests = recipe.get("Manifests", [])
    architectures = [manifest["Platform"].get("architecture") for manifest in manifests]
    wants(set(architectures) == ARCHITECTURES and len(architectures) == 3, "one manifest for each architecture")
    for manifest in manifests:
        platform = manifest["Platform"]
        wants(platform == {"os": "linux", "architecture": platform.get("architecture"), "runtime": "*"}, "a platform for both")
        wants(set(manifest) == {"Platform", "Lifecycle", "Artifacts"}, "keys of a manifest")
        wants(set(manifest.get("Lifecycle", {})) == {"install", "run"}, "what nucleus lite knows, shutdown is not")
        phases = manifest.get("Lifecycle", {})
        name = f"firehose-connector-{platform.get('architecture')}"
        for phase, script in (("install", f"{{artifacts:path}}/{name} check"), ("run", f"exec {{artifacts:path}}/{name} run")):
            step = phases.get(phase, {})
            wants(set(step) == {"RequiresPrivilege", "Script", "Setenv"}, f"keys of {phase}")
            wants(step.get("RequiresPrivilege") is False, "no privilege")
            wants(step.get("Script") == script and len(script) <= MOST_SCRIPT, f"the script of {phase}")
            for variable, value in step.get("Setenv", {}).items():
                wants(isinstance(value, str), f"{variable} as text")
                wants(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable), f"a name of a variable: {variable}")
                escape = re.fullmatch(r"\{configuration:(/[^{}]+)\}", str(value))
                wants(escape or "{" not in str(value), f"nothing else in braces: {value}")
                if escape:
                    wants(len(value) <= MOST_ESCAPE, f"{variable} is too long for nucleus lite")
                    try:
                        wants(isinstance(value_at(configuration, escape[1]), (str, dict)), f"text in quotes at {escape[1]}")
                    except (KeyError, TypeError):
                        wants(False, f"a default for {escape[1]}: nucleus lite does not start without")
        wants(phases.get("install", {}).get("Setenv") == phases.get("run", {}).get("Setenv"), "what check sees, run does")
        artifacts = manifest.get("Artifacts", [])
        wants(len(artifacts) == 1, "one artefact")
        for artifact in artifacts:
            wants(set(artifact) == {"Uri", "Unarchive", "Permission"}, "keys of an artefact in their case")
            uri = f"s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{name}"
            wants(artifact.get("Uri") == uri, "where gdk has it")
            wants(artifact.get("Permission") == {"Read": "OWNER", "Execute": "OWNER"}, "an artefact that can be executed")
    return found
