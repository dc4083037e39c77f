"""Where a setting comes from, which value wins, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.config import (
    CONFIG_FILE,
    ENVIRONMENT,
    RedisUrl,
    Settings,
    api_key,
    load_settings,
)
from openviking.errors import ConfigError

HOME = {"HOME": "/home/olga"}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "ov.conf"


def load(conf: Path, document: object, environ: dict[str, str] | None = None) -> Settings:
    conf.write_text(json.dumps(document), "utf-8")
    return load_settings(conf, environ=HOME | (environ or {}))


def refusal(conf: Path, document: object, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(conf, document, environ)
    return str(caught.value)


def test_without_a_file_and_variables_the_defaults_hold():
    settings = load_settings(environ=HOME)

    assert settings.server.host == "127.0.0.1"
    assert settings.server.port == 8002
    assert settings.storage.path == Path("/home/olga/.local/share/openviking")
    assert settings.model.dir == Path("/home/olga/.cache/openviking/models")
    assert settings.sources == {}
    assert settings.notes == ()


def test_xdg_folders_move_the_defaults_and_relative_ones_are_ignored():
    moved = load_settings(environ=HOME | {"XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/c"})
    ignored = load_settings(environ=HOME | {"XDG_DATA_HOME": "d"})

    assert moved.storage.path == Path("/d/openviking")
    assert moved.model.dir == Path("/c/openviking/models")
    assert ignored.storage.path == Path("/home/olga/.local/share/openviking")


def test_an_option_beats_the_environment_which_beats_the_file(conf: Path):
    conf.write_text('{"server": {"port": 1, "host": "file", "requests_max": 7}}')

    settings = load_settings(
        conf,
        overrides={"server": {"port": 3}},
        environ=HOME | {"OPENVIKING_PORT": "2", "OPENVIKING_HOST": "env"},
    )

    assert settings.server.port == 3
    assert settings.server.host == "env"
    assert settings.server.requests_max == 7
    assert settings.sources == {
        "server.port": "option",
        "server.host": "OPENVIKING_HOST",
        "server.requests_max": str(conf),
    }


def test_every_documented_variable_sets_its_key():
    texts = {
        "OPENVIKING_HOST": "::1",
        "OPENVIKING_PORT": "18001",
        "OPENVIKING_STORAGE_PATH": "/s",
        "OPENVIKING_MODEL_DIR": "/m",
        "OPENVIKING_PRECISION": "fp32",
        "OPENVIKING_KERNELS": "ort",
        "OPENVIKING_THREADS": "3",
        "OPENVIKING_CACHE_BYTES": "0",
        "OPENVIKING_REDIS_URL": "redis://r",
        "OPENVIKING_SKILLS": f"/a{os.pathsep}{os.pathsep}/b",
        "OPENVIKING_COMMANDS": "/c",
        "LOG_LEVEL": "warning",
        "LOG_FORMAT": "console",
    }
    values: set[object] = {
        "::1", 18001, Path("/s"), Path("/m"), "fp32", "ort", 3, 0, "WARNING", "console",
        RedisUrl("redis://r"),
    }  # fmt: skip
    assert set(texts) == set(ENVIRONMENT)

    settings = load_settings(environ=HOME | texts)

    seen = {getattr(getattr(settings, section), key) for section, key in ENVIRONMENT.values()}
    assert seen == values | {(Path("/a"), Path("/b")), (Path("/c"),)}
    assert set(settings.sources.values()) == set(texts)


@pytest.mark.parametrize("blank", ["", " "])
def test_a_variable_set_to_nothing_counts_as_not_set(blank: str):
    settings = load_settings(environ=HOME | dict.fromkeys([*ENVIRONMENT, CONFIG_FILE], blank))

    assert settings == load_settings(environ=HOME)


def test_the_file_named_by_the_environment_is_read(conf: Path):
    conf.write_text('{"server": {"port": 4}}')

    assert load_settings(environ=HOME | {CONFIG_FILE: str(conf)}).server.port == 4


def test_variables_inside_the_file_are_substituted_also_for_numbers_and_in_lists(conf: Path):
    settings = load(
        conf,
        {
            "storage": {"path": "/data/${WHO}/${WHO}"},
            "server": {"port": "${PORT}"},
            "skills": {"folders": ["${WHO}", "/plain$"]},
        },
        {"WHO": "olga", "PORT": "81"},
    )

    assert settings.storage.path == Path("/data/olga/olga")
    assert settings.server.port == 81
    assert settings.skills.folders == (Path("olga"), Path("/plain$"))


def test_a_tilde_means_the_home_folder(conf: Path):
    assert load(conf, {"storage": {"path": "~/x"}}).storage.path == Path.home() / "x"


def test_a_byte_order_mark_is_accepted(conf: Path):
    conf.write_bytes(b'\xef\xbb\xbf{"server": {"port": 5}}')

    assert load_settings(conf, environ=HOME).server.port == 5


def test_what_other_deployments_configure_is_accepted_and_noted(conf: Path):
    settings = load(
        conf,
        {
            "embedding": {"dense": {"api_key": "${NOT_SET}", "dimension": 3072}},
            "vlm": None,
            "session": {"auto_memory_extraction": False, "compression_threshold": 50, "x": 1},
            "storage": {"type": "filesystem", "path": "/s", "vector_dimension": 3072},
            "retrieval": {"max_results": 4, "score_threshold": 0.7},
            "logging": {"level": "debug", "file": "${NOT_SET}"},
        },
    )

    assert settings.storage.path == Path("/s")
    assert settings.retrieval.max_results == 4
    assert settings.logging.level == "DEBUG"
    assert settings.memory.extract is False
    assert [note.split(":")[0] for note in settings.notes] == [
        "embedding",
        "vlm",
        "session.compression_threshold",
        "session.x",
        "storage.type",
        "storage.vector_dimension",
        "retrieval.score_threshold",
        "logging.file",
    ]


def test_our_own_key_outranks_an_older_one_of_the_same_meaning(conf: Path):
    sections = {
        "memory": {"extract": True, "categories": ["events"]},
        "session": {"auto_memory_extraction": False, "memory_categories": ["cases"]},
    }

    for order in (list(sections), list(reversed(sections))):
        memory = load(conf, {name: sections[name] for name in order}).memory
        assert (memory.extract, memory.categories) == (True, ("events",))


LLM = {"api_base": "https://api.example.com/v1", "model": "m"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"llm": {"api_base": "https://a/v1"}}, "llm.model: expected llm.api_base and llm.model"),
        ({"llm": LLM | {"api_base": "ftp://a"}}, "llm.api_base: expected http(s)://host"),
        ({"llm": LLM | {"api_base": "https://u:hunter2@a/v1"}}, "llm.api_base: expected http(s)"),
        ({"llm": LLM | {"api_base": "https://a/v1?key=hunter2"}}, "llm.api_base: expected http(s)"),
        ({"llm": LLM | {"api_key_env": "sk-hunter2"}}, "not the key itself"),
        ({"llm": LLM | {"timeout_s": 30}}, "less than server.deadline_s (30)"),
        ({"llm": LLM | {"context_tokens": 1}}, "llm.context_tokens: expected 256 to"),
        ({"conversation": {"idle_minutes": 0}}, "conversation.idle_minutes: expected more than 0"),
        ({"conversation": {"retention_days": -1}}, "conversation.retention_days: expected more"),
        ({"memory": {"categories": ["secrets"]}}, "memory.categories: expected a list, each one"),
    ],
)
def test_what_is_said_about_conversations_is_checked_and_no_secret_shown(
    conf: Path, document: dict[str, Any], said: str
):
    message = refusal(conf, document)

    assert said in message
    assert "hunter2" not in message


def test_the_key_of_the_chat_model_is_no_setting(conf: Path):
    settings = load(conf, {"llm": LLM | {"api_key": "${NOT_SET}"}}, {"OPENAI_API_KEY": "hunter2"})

    assert api_key(settings.llm, {"OPENAI_API_KEY": "hunter2"}) == "hunter2"
    assert api_key(settings.llm, {}) is None
    assert "hunter2" not in repr(settings)
    (note,) = settings.notes
    assert note.startswith("llm.api_key: ignored, the key is read from the environment variable")


@pytest.mark.parametrize("name", ["ov.conf", "ov-local.conf"])
def test_the_predecessors_own_files_load(name: str):
    path = Path(__file__).parents[3] / "shared/data/legacy/config" / name
    if not path.exists():
        pytest.skip("the predecessor's files are not beside this repository")

    settings = load_settings(path, environ=HOME)

    assert settings.storage.path == Path("/data/openviking")
    assert len(settings.notes) == 10
    assert settings.memory.extract


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"sever": {}}, "unknown section 'sever'; did you mean 'server'?"),
        ({"zzz": {}}, "unknown section 'zzz'; known are cache, commands, conversation, llm"),
        ({"server": {"prot": 1}}, "unknown key server.prot; did you mean 'port'?"),
        ({"notes": {}}, "unknown section 'notes'"),
        ({"sources": {}}, "unknown section 'sources'"),
        ({"server": []}, "server: expected an object, got a list"),
        ({"server": None}, "server: expected an object, got null"),
        ([], "expected a JSON object, got a list"),
        (True, "expected a JSON object, got true or false"),
        ({"server": {"port": True}}, "server.port: expected a whole number, got True"),
        ({"server": {"port": "x"}}, "server.port: expected a whole number, got 'x'"),
        ({"server": {"port": 80.5}}, "server.port: expected a whole number, got 80.5"),
        ({"server": {"port": None}}, "server.port: expected a whole number, got None"),
        ({"server": {"port": -1}}, "server.port: expected 0 to 65535, got -1"),
        ({"server": {"port": 10**30}}, "server.port: expected"),
        ({"server": {"host": 5}}, "server.host: expected a string, got 5"),
        ({"server": {"host": " "}}, "server.host: expected an address"),
        ({"server": {"deadline_s": 0}}, "server.deadline_s: expected more than 0"),
        ({"server": {"deadline_s": "nan"}}, "server.deadline_s: expected more than 0"),
        ({"server": {"drain_s": "inf"}}, "server.drain_s: expected 0 to 3600"),
        ({"server": {"requests_max": 0}}, "server.requests_max: expected 1 or more"),
        ({"model": {"precision": "int4"}}, "model.precision: expected one of int8, fp32"),
        ({"model": {"kernels": "fast"}}, "model.kernels: expected one of native, ort"),
        ({"model": {"threads": 0}}, "model.threads: expected 1 to 1024, got 0"),
        ({"cache": {"bytes_max": -1}}, "cache.bytes_max: expected 0 or more"),
        ({"cache": {"ttl_s": 0}}, "cache.ttl_s: expected 1 to 315360000, or null"),
        ({"cache": {"ttl_s": "nan"}}, "cache.ttl_s: expected 1 to 315360000, or null"),
        ({"cache": {"redis_timeout_s": 0}}, "cache.redis_timeout_s: expected 0.001 to 10"),
        ({"cache": {"redis_recovery_s": 0}}, "cache.redis_recovery_s: expected 0.1 to 3600"),
        ({"cache": {"redis_url": 5}}, "cache.redis_url: expected redis://[user:password@]host"),
        ({"retrieval": {"max_results": 1001}}, "retrieval.max_results: expected 1 to 1000"),
        ({"logging": {"level": "LOUD"}}, "logging.level: expected one of DEBUG, INFO"),
        ({"skills": {"folders": "a"}}, "skills.folders: expected a list of paths, got 'a'"),
        ({"commands": {"folders": "a"}}, "commands.folders: expected a list of paths, got 'a'"),
        ({"skills": {"folders": [1]}}, "skills.folders: expected a list of paths"),
        ({"storage": {"path": ""}}, "storage.path: expected a path, got ''"),
        ({"storage": {"path": "a\0b"}}, "storage.path: expected a path"),
        ({"storage": {"path": ["x"]}}, "storage.path: expected a path"),
        ({"storage": {"path": "~nobody-of-that-name/x"}}, "write the whole path"),
        ({"storage": {"path": "${NOT_SET}"}}, "the environment variable NOT_SET is not set"),
        ({"storage": {"path": "${HOME:-/x}"}}, "only ${NAME} is understood"),
        ({"storage": {"path": "${}"}}, "only ${NAME} is understood"),
        ({"storage": {"path": "\ud800"}}, "half of a surrogate pair"),
    ],
)
def test_a_wrong_value_is_refused_by_file_key_and_expectation(
    conf: Path, document: object, said: str
):
    message = refusal(conf, document)

    assert said in message
    assert message.startswith((str(conf), "~nobody"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value at line 1, column 1"),
        (b'{"server": {"port": 1}', "line 1"),
        (b'{"server": {"port": NaN}}', "NaN is not a JSON number"),
        (b'{"server": {}, "server": {"port": 1}}', "the key 'server' is given twice"),
        (b'{"a": "\xff"}', "can't decode byte 0xff"),
        (b"[" * 200_000, "recursion"),
        (b'{"server": {"port": 1' + b"0" * 5000 + b"}}", "not valid JSON"),
        (b" " * (1 << 20) + b"{}", "larger than 1048576 bytes"),
    ],
    ids=["empty", "cut", "nan", "twice", "utf8", "deep", "digits", "large"],
)
def test_a_file_that_is_no_json_object_is_refused(conf: Path, content: bytes, said: str):
    conf.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_settings(conf, environ=HOME)

    assert said in str(caught.value)
    assert str(conf) in str(caught.value)


@pytest.mark.parametrize("name", ["missing.conf", ".", "ov.conf/below", "/dev/zero"])
def test_a_path_that_is_no_readable_file_is_refused(conf: Path, tmp_path: Path, name: str):
    conf.write_text("{}")

    with pytest.raises(ConfigError, match=r"cannot be read|larger than"):
        load_settings(tmp_path / name, environ=HOME)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"OPENVIKING_PORT": "eight"}, "OPENVIKING_PORT: server.port: expected a whole number"),
        ({"OPENVIKING_PORT": "tcp://10.0.0.1:80"}, "OPENVIKING_PORT: server.port"),
        ({"OPENVIKING_PORT": "9" * 5000}, "OPENVIKING_PORT: server.port"),
        ({"OPENVIKING_PORT": "70000"}, "OPENVIKING_PORT: server.port: expected 0 to 65535"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: logging.level: expected one of DEBUG, INFO"),
        ({CONFIG_FILE: "/nowhere/ov.conf"}, "/nowhere/ov.conf: cannot be read"),
    ],
)
def test_a_wrong_variable_is_blamed_by_its_own_name_even_beside_a_file(
    conf: Path, environ: dict[str, str], said: str
):
    conf.write_text('{"server": {"port": 1}, "logging": {"level": "INFO"}}')
    path = None if CONFIG_FILE in environ else conf

    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ=HOME | environ)

    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_misspelt_variable_is_noted():
    settings = load_settings(environ=HOME | {"OPENVIKING_STORAGE_PAHT": "/x", "OPENVIKING_": "1"})

    assert settings.notes == (
        "OPENVIKING_STORAGE_PAHT: not a setting; did you mean OPENVIKING_STORAGE_PATH?",
    )


@pytest.mark.parametrize("overrides", [{"servr": {}}, {"server": {"prt": 1}}])
def test_a_wrong_option_name_is_refused(overrides: dict[str, dict[str, int]]):
    with pytest.raises(ConfigError, match=r"option: unknown .*; did you mean"):
        load_settings(overrides=overrides, environ=HOME)


def test_a_user_without_a_home_folder_is_told_which_variables_help():
    code = (
        "import os; os.setuid(61234)\n"
        "from openviking.config import load_settings\n"
        "from openviking.errors import ConfigError\n"
        "try: load_settings(environ={})\n"
        "except ConfigError as error: print(error)\n"
        "print(load_settings(environ={'OPENVIKING_STORAGE_PATH': '/s',"
        " 'OPENVIKING_MODEL_DIR': '/m'}).storage.path)"
    )
    if os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    environ = {key: value for key, value in os.environ.items() if key != "HOME"}

    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", f"import msgspec, openviking.config\n{code}"],
        env=environ, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert "set XDG_DATA_HOME, or OPENVIKING_STORAGE_PATH" in done.stdout
    assert done.stdout.splitlines()[-1] == "/s"


def test_settings_cannot_be_changed_after_loading():
    settings = load_settings(environ=HOME)

    with pytest.raises(AttributeError):
        settings.server.port = 1  # type: ignore[misc]


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["server", "port", "path", "folders", "vlm", "x"]), inner),
    max_leaves=8,
))  # fmt: skip
def test_any_json_loads_or_is_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, document: object
):
    conf = tmp_path_factory.getbasetemp() / "any.conf"
    conf.write_text(json.dumps({"server": document, "storage": document}), "utf-8")

    try:
        settings = load_settings(conf, environ=HOME)
    except ConfigError as error:
        assert str(error)  # noqa: PT017 - either outcome is right, silence is not
    else:
        assert isinstance(settings, Settings)
