"""What a server imports at its start, each megabyte of which every process pays."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import openviking

CARGO = Path(__file__).parent.parent / "Cargo.toml"

START = """
import sys
import openviking.cli.serve, openviking.cli.pulling, openviking.engine, openviking_asgi.server
print(*sorted(sys.modules))
"""


def test_the_version_is_that_of_the_distribution_and_of_the_crates():
    stated = tomllib.loads(CARGO.read_text("utf-8"))["workspace"]["package"]["version"]

    assert openviking.__version__ == stated == version("openviking-native")


def test_a_server_imports_nothing_that_it_may_never_use():
    imported = subprocess.run(  # noqa: S603 - our own modules
        [sys.executable, "-c", START], check=True, capture_output=True, text=True
    ).stdout.split()

    spared = {
        "difflib",
        "importlib.metadata",
        "openviking.cli.model",
        "openviking.index.disk",
        "statistics",
    }
    assert "openviking.engine" in imported
    assert not spared & set(imported)
