"""What the classic nucleus and nucleus lite want of a recipe, as far as their sources and documents say, and how they read one."""

import json
import re

import yaml

# Nucleus lite: bytes of a recipe (ggl-recipe, recipe.c) and what is in it, each key and value and item (its SDK, object.h).
MOST_BYTES = 8196
MOST_VALUES = 255
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
    "Lifecycle",
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


def lifecycle(recipe):
    """What both take for every manifest, as none has a lifecycle or selections of its own."""
    return recipe["Lifecycle"]["all"]


def environment(recipe, **changes):
    """What each phase's process gets, with changes to the default configuration by pointer, dots for slashes."""
    configuration = json.loads(json.dumps(default_configuration(recipe)))
    for pointer, value in changes.items():
        *way, last = pointer.split(".")
        inner = value_at(configuration, "/".join(way)) if way else configuration
        inner[last] = value
    return {name: resolved(text, configuration) for name, text in lifecycle(recipe)["Setenv"].items()}


def script(program):
    """Of those architectures that are there, the one that runs here."""
    name = '"{artifacts:path}"/firehose-connector-'
    this = "$(uname -m | sed 's/x86_64/amd64/; s/arm.*/arm/')"
    return f'set -- {name}*\n[ $# = 1 ] || set -- {name}{this}\nexec "$1" {program}'


def values(tree):
    """As nucleus lite counts them."""
    if isinstance(tree, dict):
        return sum(2 + values(value) for value in tree.values())
    if isinstance(tree, list):
        return sum(1 + values(item) for item in tree)
    return 0


def from_cloud(recipe):
    """As AWS IoT Greengrass gives it to a device, with all that it may add."""
    artifact = {"Digest": "x" * 44, "Algorithm": "SHA-256", "Unarchive": "NONE"}
    more = {"Name": "linux", "Lifecycle": {}, "Selections": []}
    manifests = [
        manifest | more | {"Artifacts": [it | artifact for it in manifest["Artifacts"]]} for manifest in recipe["Manifests"]
    ]
    return recipe | {"ComponentType": "aws.greengrass.generic", "ComponentSource": "x" * 100, "Manifests": manifests}


def access(recipe):
    """Resources by operation."""
    allowed = {}
    for policies in default_configuration(recipe)["accessControl"].values():
        for policy in policies.values():
            for operation in policy["operations"]:
                allowed.setdefault(operation.removeprefix("aws.greengrass#"), []).extend(policy["resources"])
    return allowed


class Loader(yaml.SafeLoader):
    """Takes no key twice: nucleus lite takes the first, others the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.YAMLError(f"a key twice among {keys}")
        return super().construct_mapping(node, deep)


def faults(text):
    """What either nucleus, or the way of this component, has against a recipe."""
    found = []

    def wants(right, what):
        if not right:
            found.append(what)

    wants(len(text.encode()) <= MOST_BYTES, f"{MOST_BYTES} bytes at most")
    kinds = (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)
    wants(not any(isinstance(token, kinds) for token in yaml.scan(text)), "no anchors, aliases, tags")
    try:
        recipe = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        return [*found, str(error)]
    wants(set(recipe) == TOP, f"keys in their case: {set(recipe) ^ TOP}")
    given = from_cloud(recipe)
    wants(len(json.dumps(given, default=str)) <= MOST_BYTES, f"{MOST_BYTES} bytes at most, from the cloud, too")
    wants(values(given) <= MOST_VALUES, f"{MOST_VALUES} values at most, from the cloud, too")
    wants(recipe.get("RecipeFormatVersion") == "2020-01-25", "the format's version as text")
    dependencies = {TOKEN_EXCHANGE: {"VersionRequirement": ">=0.0.0", "DependencyType": "HARD"}}
    wants(recipe.get("ComponentDependencies") == dependencies, "a token exchange service to depend on, and nothing else")
    names = {"ComponentName": "{COMPONENT_NAME}", "ComponentVersion": "{COMPONENT_VERSION}"}
    wants(all(recipe.get(key) == name for key, name in names.items()), "names for gdk to fill in")
    wants(all(isinstance(recipe.get(f"Component{key}"), str) for key in ("Description", "Publisher")), "descriptions as text")
    configuration = default_configuration(recipe)
    topics = configuration["pubsubTopics"]
    wants(all(topic["type"] in ("Pubsub", "IotCore") for topic in topics.values()), "types of topics")
    subscribed = [topic["topic"] for topic in topics.values()]
    status = ["kinesisfirehose/message/status"]
    wants(set(configuration["accessControl"]) == {"aws.greengrass.ipc.pubsub"}, "access to the service that is used")
    wants(access(recipe) == {"SubscribeToTopic": subscribed, "PublishToTopic": status}, "access to what is used, no more")
    common = recipe.get("Lifecycle", {})
    wants(isinstance(common, dict) and set(common) == {"all"}, "what both choose of a lifecycle")
    phases = common.get("all", {}) if isinstance(common, dict) else {}
    wants(set(phases) == {"Setenv", "install", "run"}, "what nucleus lite knows, shutdown is not")
    for phase, program in (("install", "check"), ("run", "run")):
        wants(phases.get(phase) == script(program), f"the script of {phase}")
        wants(len(script(program)) <= MOST_SCRIPT, f"{MOST_SCRIPT} bytes at most in {phase}")
    for variable, value in phases.get("Setenv", {}).items():
        wants(isinstance(value, str), f"{variable} as text")
        wants(not variable.startswith(("AWS_", "SVCUID")), f"{variable} as the nucleus sets it")
        wants(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable), f"a name of a variable: {variable}")
        escape = re.fullmatch(r"\{configuration:(/[^{}]+)\}", str(value))
        wants(escape or "{" not in str(value), f"nothing else in braces: {value}")
        if escape:
            wants(len(value) <= MOST_ESCAPE, f"{variable} is too long for nucleus lite")
            try:
                wants(isinstance(value_at(configuration, escape[1]), (str, dict)), f"text in quotes at {escape[1]}")
            except (KeyError, TypeError):
                wants(False, f"a default for {escape[1]}: nucleus lite does not start without")
    manifests = recipe.get("Manifests", [])
    architectures = [manifest["Platform"].get("architecture") for manifest in manifests]
    wants(set(architectures) == ARCHITECTURES and len(architectures) == 3, "one manifest for each architecture")
    for manifest in manifests:
        platform = manifest["Platform"]
        wants(platform == {"os": "linux", "architecture": platform.get("architecture"), "runtime": "*"}, "a platform for both")
        wants(set(manifest) == {"Platform", "Artifacts"}, "keys of a manifest")
        name = f"firehose-connector-{platform.get('architecture')}"
        artifacts = manifest.get("Artifacts", [])
        wants(len(artifacts) == 1, "one artefact")
        for artifact in artifacts:
            wants(set(artifact) == {"Uri", "Unarchive", "Permission"}, "keys of an artefact in their case")
            wants(artifact.get("Unarchive") == "NONE", "a program as it is")
            uri = f"s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{name}"
            wants(artifact.get("Uri") == uri, "where gdk has it")
            wants(artifact.get("Permission") == {"Read": "OWNER", "Execute": "OWNER"}, "an artefact that can be executed")
    return found
