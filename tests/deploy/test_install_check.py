"""The Dockerfile's steps in an empty folder: from the sources to a healthy server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_wheels_from_the_copied_files_install_and_serve():
    done = subprocess.run(  # noqa: S603 - our own script
        [ROOT / "deploy/install-check.sh"],
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "healthy, version 0." in done.stdout
    assert "768 dimensions" in done.stdout
