"""The layers of ARCHITECTURE.md, held against the imports that the code really has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "openviking": ROOT / "python/openviking",
    "openviking_asgi": ROOT / "asgi/openviking_asgi",
}

# A module may import from lower numbers and from its own part.
LEVELS = {
    "errors": 0, "types": 0, "version": 0, "_native": 0,
    "background": 1, "checks": 1, "circuit": 1, "config": 1, "vectors": 1,
    "findings": 1, "frontmatter": 1, "performance": 1,
    "chat": 2, "encoder": 2, "cache": 2, "index": 2, "store": 2, "retrieval": 2,
    "skills": 3, "resources": 3, "conversation": 3, "memory": 3, "commands": 3,
    "engine": 4, "evaluation": 4,
    "cli": 5, "__main__": 6,
}  # fmt: skip

OWNERS = {
    "openviking._native": {"openviking.vectors"},
    "onnxruntime": {"openviking.encoder"},
    "tokenizers": {"openviking.encoder"},
    "usearch": {"openviking.index"},
    "apsw": {"openviking.store"},
    "redis": {"openviking.store", "openviking.cache"},
    "httpx2": {"openviking.chat"},
    "yaml": {"openviking.frontmatter"},
    "starlette": {"openviking_asgi"},
    "uvicorn": {"openviking_asgi"},
}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found.append(
                (".".join((package, *(part for part in parts if part != "__init__"))), path)
            )
    return found


def imports(path: Path) -> set[str]:
    """Names that the module imports when it runs; `if TYPE_CHECKING:` blocks do not run."""
    names: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        pending.extend(ast.iter_child_nodes(node))
    return names


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_point_downwards_and_outside_libraries_have_one_owner(module: str, path: Path):
    for name in imports(path):
        if name.startswith("openviking.") and module.startswith("openviking.") and part(module):
            mine, theirs = part(module), part(name)
            assert mine == theirs or LEVELS[mine] > LEVELS[theirs], f"{module} imports {name}"
        if name.startswith("openviking_asgi") and module.startswith("openviking."):
            assert part(module) == "cli", f"{module} imports the server"
        for library, owners in OWNERS.items():
            if name == library or name.startswith(f"{library}."):
                own = {
                    owner for owner in owners if module == owner or module.startswith(f"{owner}.")
                }
                assert own, f"{module} imports {library}, which belongs to {sorted(owners)}"


def test_only_config_reads_the_environment():
    for module, path in modules():
        if not f"{module}.".startswith("openviking.config."):
            text = path.read_text("utf-8")
            assert "os.environ" not in text, module
            assert "os.getenv" not in text, module


def test_the_server_uses_public_names_only():
    for module, path in modules():
        if module.startswith("openviking_asgi"):
            private = [n for n in imports(path) if re.match(r"openviking\..*\._[^_]", n)]
            assert not private, f"{module} imports {private}"
