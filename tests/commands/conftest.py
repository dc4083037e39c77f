from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "commands"
    made.mkdir()
    return made


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """Write ``NAME.md`` into the folder; NAME may lead into a folder below."""

    def put(name: str, text: str | bytes | None = None, description: str = "") -> Path:
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            text = f"---\ndescription: {description or f'does {name}'}\n---\n1. Do {name}.\n"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


@pytest.fixture(scope="session")
def legacy_commands() -> Path:
    path = ROOT.parent / "shared/data/legacy/commands"
    if not path.is_dir():
        pytest.skip("the predecessor's files are not here")
    return path
