"""The address of a Redis: what is accepted, and that a password is never shown."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING

import pytest

from openviking.cli.settings import flatten
from openviking.config import RedisUrl, Settings, load_settings
from openviking.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"  # noqa: S105 - what must not be seen below


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://host", "redis://host:6379/0"),
        (" redis://host:1/3 ", "redis://host:1/3"),
        ("redis://:@host", "redis://host:6379/0"),
        (f"redis://:{SECRET}@host", "redis://:***@host:6379/0"),
        (f"rediss://olga:{SECRET}@[::1]:6380", "rediss://olga:***@[::1]:6380/0"),
        ("rediss://h/2?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem", "rediss://h:6379/2"),
        (f"unix://:{SECRET}@/run/redis.sock?db=4", "unix://:***@/run/redis.sock?db=4"),
    ],
)
def test_a_url_is_taken_and_shown_without_its_password(text: str, shown: str):
    url = RedisUrl(text)

    assert str(url) == shown
    assert url.reveal() == text.strip()
    assert SECRET not in repr(url) + f"{url}" + format([url])
    assert url == RedisUrl(text)
    assert hash(url) == hash(RedisUrl(text))
    assert url != RedisUrl("redis://another")


BAD = [
    "redis://",
    "host:6379",
    "http://host",
    "redis://host:99999",
    "redis://host:0",
    "redis://host/one",
    "redis://host/-1",
    "redis://host/0?db=1",
    "redis://host/1/2",
    "redis://host?socket_timeout=9",
    "redis://host?ssl_cert_reqs=none",
    "redis://ho st",
    "redis://[::1",
    "unix://host/path",
    "unix://",
    # Passwords whose special characters are not escaped.
    f"redis://:{SECRET}/x@host",
    f"redis://:x/{SECRET}@host",
    f"redis://:{SECRET}#x@host",
    f"redis://:x#{SECRET}@host",
    f"redis://u:12?{SECRET}@host",
    f"redis://u:12/{SECRET}@host",
    f"redis://u:{SECRET}?x=y@host",
    f"redis://[{SECRET}]x@host",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_such_url_is_refused_without_quoting_it(text: str):
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={"HOME": "/h", "OPENVIKING_REDIS_URL": text})

    assert "OPENVIKING_REDIS_URL: cache.redis_url: expected redis://" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_password_may_come_from_the_environment_and_is_not_shown(tmp_path: Path):
    conf = tmp_path / "ov.conf"
    conf.write_text(json.dumps({"cache": {"redis_url": "redis://:${PW}@host", "ttl_s": None}}))

    settings = load_settings(conf, environ={"HOME": "/h", "PW": SECRET})

    assert settings.cache.redis_url == RedisUrl(f"redis://:{SECRET}@host")
    assert settings.cache.ttl_s is None
    assert flatten(settings)["cache.redis_url"] == "redis://:***@host:6379/0"
    assert SECRET not in repr(settings)


@pytest.mark.parametrize("text", [f"redis://:{SECRET}@${{PW:-x}}", f"redis://:{SECRET}\ud800@h"])
def test_a_wrong_variable_in_it_is_refused_without_quoting_it(tmp_path: Path, text: str):
    conf = tmp_path / "ov.conf"
    conf.write_text(json.dumps({"cache": {"redis_url": text}}))

    with pytest.raises(ConfigError, match=r"cache\.redis_url") as caught:
        load_settings(conf, environ={"HOME": "/h"})

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_without_a_setting_there_is_no_redis():
    cache = Settings().cache

    assert cache.redis_url is None
    assert (cache.redis_timeout_s, cache.ttl_s) == (0.05, 30 * 86_400)
