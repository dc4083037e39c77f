"""Dockerfile and compose file, held against the contract; no Docker engine is needed."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command, Context, Group
from tests.cache.servers import RedisServer

from openviking.cli import main
from openviking.config import ENVIRONMENT, load_settings

ROOT = Path(__file__).parents[2]
FLAGS = re.compile(r"^--[a-z-]+=\S+$")


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)


def parse(text: str) -> list[Instruction]:
    """Split a Dockerfile into instructions: comments dropped, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = []
    for line in filter(None, (line.strip() for line in joined.splitlines())):
        name, _, rest = line.partition(" ")
        assert name.isupper(), f"not an instruction: {line}"
        found.append(Instruction(name, rest.strip()))
    return found


@pytest.fixture(scope="module")
def instructions() -> list[Instruction]:
    return parse((ROOT / "Dockerfile").read_text("utf-8"))


@pytest.fixture(scope="module")
def runtime(instructions: list[Instruction]) -> list[Instruction]:
    """The last stage, which is the image."""
    starts = [at for at, found in enumerate(instructions) if found.name == "FROM"]
    return instructions[starts[-1] :]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(
        (ROOT / "docker-compose.openviking.yml").read_text("utf-8")
    )
    return document


def environment(stage: list[Instruction]) -> dict[str, str]:
    """Return what the stage sets, build arguments at their defaults."""
    values: dict[str, str] = {}
    for name in ("ARG", "ENV"):
        for found in stage:
            if found.name == name:
                for word in found.words:
                    key, _, value = word.partition("=")
                    values[key] = values.get(value[1:], value) if value[:1] == "$" else value
    return values


def follow_cli(words: list[str]) -> None:
    """Follow *words* through our own command tree; fails where a command or option is missing."""
    command: Command = main
    while words and isinstance(command, Group):
        child = command.get_command(Context(command), words[0])
        assert child is not None, words
        command, words = child, words[1:]
    known = {flag for parameter in command.params for flag in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known, words


def test_every_base_image_is_official_and_pinned_to_a_minor_version(
    instructions: list[Instruction],
):
    images = [found.words[0] for found in instructions if found.name == "FROM"]

    assert len(images) == 3
    for image in images:
        assert re.fullmatch(r"(python|rust):\d+\.\d+-slim-bookworm", image), image


def test_the_runtime_is_the_python_version_that_the_package_supports(runtime: list[Instruction]):
    assert runtime[0].words[0].startswith("python:3.11-")


def test_every_copied_file_is_in_the_repository_and_in_the_build_context(
    instructions: list[Instruction],
):
    rules = [
        line.strip()
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    sources = [
        source
        for found in instructions
        if found.name == "COPY" and not found.text.startswith("--from=")
        for source in [word for word in found.words if not FLAGS.match(word)][:-1]
    ]

    assert len(sources) >= 9
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source.split('/')[0]}" in rules, f"{source} is kept out by .dockerignore"


def test_the_build_context_holds_no_model_no_environment_and_no_history():
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()

    assert rules[1] == "*", "everything is left out unless it is named"
    for name in (".git", ".venv", "target", "tests", "docs"):
        assert not any(fnmatch(name, rule[1:]) for rule in rules if rule.startswith("!")), name


def test_copied_stages_exist(instructions: list[Instruction]):
    names = {found.words[-1] for found in instructions if found.name == "FROM"}
    used = {
        word.removeprefix("--from=")
        for found in instructions
        for word in found.words
        if found.name == "COPY" and word.startswith("--from=")
    }

    assert used == {"wheels", "environment"}
    assert used <= names


def test_the_server_runs_without_rights(runtime: list[Instruction]):
    at_user = next(at for at, found in enumerate(runtime) if found.name == "USER")

    assert runtime[at_user].text not in {"root", "0"}
    assert any("useradd" in found.text for found in runtime[:at_user] if found.name == "RUN")
    assert not any(found.name == "USER" for found in runtime[at_user + 1 :])
    assert {"ENTRYPOINT", "CMD", "HEALTHCHECK"} <= {found.name for found in runtime[at_user:]}


def test_the_image_listens_where_the_contract_says(runtime: list[Instruction]):
    settings = load_settings(environ={"HOME": "/home/openviking"} | environment(runtime))

    assert settings.server.host == "0.0.0.0"  # noqa: S104 - a container's own network
    assert settings.server.port == 8000
    assert settings.storage.path == Path("/data/openviking")
    assert settings.model.dir == Path("/models")
    assert settings.notes == ()
    assert [found.text for found in runtime if found.name == "EXPOSE"] == ["8000"]


def test_only_settings_that_exist_are_set(runtime: list[Instruction]):
    ours = {name for name in environment(runtime) if name.startswith("OPENVIKING_")}

    assert ours <= set(ENVIRONMENT)


def test_the_folders_of_the_volumes_belong_to_the_user_before_they_are_declared(
    runtime: list[Instruction],
):
    volumes = next(found for found in runtime if found.name == "VOLUME").words
    install = next(found.text for found in runtime if "install --directory" in found.text)
    names = [found.name for found in runtime]

    assert set(volumes) == {"/data/openviking", "/models"}
    assert "--owner=openviking" in install
    assert all(volume in install for volume in volumes)
    # A build step after VOLUME would lose what it writes there, the baked model for one.
    assert "RUN" not in names[names.index("VOLUME") :]


def test_the_model_is_baked_only_if_asked(runtime: list[Instruction]):
    arguments = {found.text for found in runtime if found.name == "ARG"}
    pull = next(found.text for found in runtime if "model pull" in found.text)

    assert "BAKE_MODEL=0" in arguments
    assert pull.startswith('if [ "$BAKE_MODEL" = 1 ]')


def test_health_is_asked_by_our_own_probe(runtime: list[Instruction]):
    check = next(found for found in runtime if found.name == "HEALTHCHECK")
    words = json.loads(check.text[check.text.index("[") :])

    assert words[0] == "openviking"
    follow_cli(words[1:])
    assert words[1] == "probe"
    assert "--start-period=" in check.text


def test_the_server_is_process_one_and_gets_its_signals(runtime: list[Instruction]):
    by_name = {found.name: found for found in runtime}

    for name in ("ENTRYPOINT", "CMD"):
        assert by_name[name].text.startswith("["), f"{name} must be in exec form"
    words = [*by_name["ENTRYPOINT"].words, *by_name["CMD"].words]
    assert words[:2] == ["openviking", "serve"]
    follow_cli(words[1:])


def test_nothing_is_installed_in_the_image_that_it_does_not_need(
    instructions: list[Instruction], runtime: list[Instruction]
):
    assert not any("apt-get" in found.text for found in runtime)
    assert not any(re.search(r"\b(curl|wget|sudo|tini)\b", found.text) for found in instructions)
    assert not any(found.name == "ADD" for found in instructions)


def test_the_services_have_the_contracts_names_and_ports(compose: dict[str, Any]):
    services = compose["services"]

    assert set(services) == {"openviking-server", "openviking-redis"}
    assert services["openviking-redis"]["ports"] == ["127.0.0.1:6381:6379"]
    host, _, container = services["openviking-server"]["ports"][0].rpartition(":")
    assert container == "8000"
    assert host.split("-")[0] == "8002"


def test_the_server_can_be_scaled_to_three(compose: dict[str, Any]):
    server = compose["services"]["openviking-server"]
    first, last = server["ports"][0].split(":")[0].split("-")

    assert "container_name" not in server
    assert "hostname" not in server
    assert int(last) - int(first) >= 2
    # One SQLite storage serves one process: replicas on one volume need folders of their own.
    image = parse((ROOT / "Dockerfile").read_text("utf-8"))
    assert "--replica" in next(found.words for found in image if found.name == "CMD")
    assert "command" not in server


def test_what_must_last_is_on_named_volumes(compose: dict[str, Any], runtime: list[Instruction]):
    volumes = compose["services"]["openviking-server"]["volumes"]
    mounted = {entry.split(":")[1]: entry.split(":")[0] for entry in volumes}
    declared = next(found for found in runtime if found.name == "VOLUME").words

    assert set(mounted) == set(declared)
    assert set(mounted.values()) <= set(compose["volumes"])


def test_the_server_is_asked_whether_it_is_ready_by_our_own_probe(compose: dict[str, Any]):
    test = compose["services"]["openviking-server"]["healthcheck"]["test"]

    assert test[:3] == ["CMD", "openviking", "probe"]
    assert "http://127.0.0.1:8000/readyz" in test
    follow_cli(test[2:])


def fill(text: str, environ: dict[str, str]) -> str:
    """Fill ``${NAME-default}`` and ``${NAME:-default}`` as Compose does, innermost first."""
    pattern = re.compile(r"\$\{(\w+)(:?-)([^${}]*)\}")
    while found := pattern.search(text):
        name, rule, default = found.groups()
        is_missing = name not in environ or (rule == ":-" and not environ[name])
        text = (
            text[: found.start()]
            + (default if is_missing else environ[name])
            + (text[found.end() :])
        )
    return text


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({}, "redis://openviking-redis:6379/0"),
        ({"OPENVIKING_REDIS_PASSWORD": "s3"}, "redis://:***@openviking-redis:6379/0"),
        ({"OPENVIKING_REDIS_URL": "rediss://r"}, "rediss://r:6379/0"),
        ({"OPENVIKING_REDIS_URL": ""}, "None"),
    ],
)
def test_the_server_uses_the_redis_of_the_deployment(
    compose: dict[str, Any], environ: dict[str, str], shown: str
):
    server, redis = (
        compose["services"]["openviking-server"],
        compose["services"]["openviking-redis"],
    )
    url = fill(server["environment"]["OPENVIKING_REDIS_URL"], environ)
    password = environ.get("OPENVIKING_REDIS_PASSWORD", "")

    settings = load_settings(environ={"HOME": "/h", "OPENVIKING_REDIS_URL": url})

    assert str(settings.cache.redis_url) == shown
    assert password in url
    assert "depends_on" not in server, "the server starts without it"
    command = [fill(word, environ) for word in redis["command"]]
    assert command[command.index("--requirepass") + 1] == password
    assert fill(redis["environment"]["REDISCLI_AUTH"], environ) == password


def test_embeddings_in_redis_are_given_up_when_memory_is_short(
    compose: dict[str, Any], tmp_path: Path
):
    command = [fill(word, {}) for word in compose["services"]["openviking-redis"]["command"]]
    assert load_settings(environ={"HOME": "/h"}).cache.ttl_s, "volatile-lru needs a time to live"

    # A real server takes these very options.
    assert command[0] == "redis-server"
    server = RedisServer(tmp_path, *command[1:])
    try:
        assert server.client().config_get("maxmemory", "maxmemory-policy") == {
            "maxmemory": str(512 << 20),
            "maxmemory-policy": "volatile-lru",
        }
    finally:
        server.kill()


def test_redis_is_pinned_and_asked_too(compose: dict[str, Any]):
    redis = compose["services"]["openviking-redis"]

    assert re.fullmatch(r"redis:\d+\.\d+-alpine", redis["image"])
    assert redis["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"]


def test_only_settings_that_exist_are_set_in_compose(compose: dict[str, Any]):
    names = set(compose["services"]["openviking-server"]["environment"])

    assert names <= set(ENVIRONMENT)
    assert "LOG_LEVEL" in names


def test_containers_get_no_rights_that_they_do_not_need(compose: dict[str, Any]):
    server = compose["services"]["openviking-server"]

    assert server["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in server["security_opt"]
    for service in compose["services"].values():
        assert "privileged" not in service
        assert service["restart"] == "unless-stopped"


def test_stopping_waits_longer_than_the_server_drains(compose: dict[str, Any]):
    grace_s = int(compose["services"]["openviking-server"]["stop_grace_period"].removesuffix("s"))

    assert grace_s > load_settings(environ={"HOME": "/h"}).server.drain_s


def test_the_single_server_file_replaces_the_range_by_the_fixed_port():
    class Loader(yaml.SafeLoader):
        pass

    def as_list(loader: Loader, node: yaml.SequenceNode) -> list[Any]:
        return list(loader.construct_sequence(node))

    Loader.add_constructor("!override", as_list)
    text = (ROOT / "deploy/docker-compose.single.yml").read_text("utf-8")
    document = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader with one more tag

    assert document["services"]["openviking-server"]["ports"] == ["8002:8000"]
    assert "!override" in text
