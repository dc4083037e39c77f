"""The command line in this process, without a model, and in processes of its own, with one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openviking.cli import main
from openviking.cli.options import State
from openviking.config import load_settings
from openviking.encoder import models
from openviking.encoder.builds import build_key
from openviking.encoder.fake import HashingEncoder

Run = Callable[..., Result]
Spawn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """The folder of models that `make model` filled."""
    folder = load_settings().model.dir
    if not any(info.key == build_key() for info in models.list_models(folder)):
        pytest.skip("no model here; `openviking model pull` gets it")
    return folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What a process needs, and a home folder in which nothing is configured."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    if "PYTHONPATH" in kept:
        parts = kept["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(str(Path(part).absolute()) for part in parts)
    home = tmp_path / "home"
    home.mkdir()
    return kept | {"HOME": str(home), "LANG": "C.UTF-8"}


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Run a command in this process, with an encoder that needs no model."""
    unset = {name: None for name in os.environ if name.startswith(("OPENVIKING_", "XDG_", "LOG_"))}

    def invoke(*words: str | Path, stdin: str | bytes | None = None, **variables: str) -> Result:
        return CliRunner(env={**unset, **environ, **variables}).invoke(
            main, [str(word) for word in words], input=stdin, obj=State(encoder=HashingEncoder())
        )

    return invoke


@pytest.fixture
def spawn(environ: dict[str, str]) -> Spawn:
    """Run a command in a process of its own."""

    def start(
        *words: str | Path, stdin: bytes = b"", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "openviking", *map(str, words)],
            env=environ | variables,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return start


@pytest.fixture
def skill_folder(tmp_path: Path) -> Path:
    """Three skills: a good one, one without front matter, and an empty file."""
    folder = tmp_path / "skills"
    texts = {
        "release-notes": (
            "---\nname: release-notes\ndescription: Write release notes from commits\n"
            "category: writing\n---\n\n# Release notes\n\nRead the commits.\n"
        ),
        "csv-cleaner": "# CSV cleaner\n\nClean a messy CSV file, column by column.\n",
        "empty": "",
    }
    for name, text in texts.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "SKILL.md").write_text(text, "utf-8")
    return folder
