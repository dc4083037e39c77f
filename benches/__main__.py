"""Run every benchmark and print one table: ``python -m benches [pytest arguments]``.

A row fails when its promise (benches/targets.toml) or its ratio to a peer is not kept.
"""

from __future__ import annotations

import json
import platform
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "build/bench/results.json"


def row(result: dict[str, Any], targets: dict[str, Any]) -> tuple[str, str, str, str]:
    """Make one line: what, median, target and note."""
    info = result["extra_info"]
    target = targets.get(info.get("target", ""), {})
    limit = f"<= {target['limit_ms']} ms" if "limit_ms" in target else ""
    notes = [f"{key} {value}" for key, value in sorted(info.items()) if key != "target"]
    name = target.get("title") or result["name"].removeprefix("test_").replace("_", " ")
    return name, duration(result["stats"]["median"]), limit, ", ".join(notes)


def duration(seconds: float) -> str:
    """Write a time with three digits that mean something."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def print_table(rows: list[tuple[str, str, str, str]]) -> None:
    """Print columns as wide as their widest cell."""
    table = [("benchmark", "median", "target", "notes"), *rows]
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    for name, median, limit, notes in table:
        print(f"{name:<{widths[0]}}  {median:>{widths[1]}}  {limit:<{widths[2]}}  {notes}".rstrip())


def main(arguments: list[str]) -> int:
    """Run the benchmarks and return pytest's exit status."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.unlink(missing_ok=True)
    options = ["--quiet", "--benchmark-quiet", f"--benchmark-json={RESULTS}"]
    status = pytest.main([str(ROOT / "benches"), *options, *arguments])
    if RESULTS.exists():
        report = json.loads(RESULTS.read_text("utf-8"))
        targets = tomllib.loads((ROOT / "benches/targets.toml").read_text("utf-8"))
        cpu = report["machine_info"].get("cpu", {}).get("brand_raw", platform.machine())
        print(f"\n{cpu}, {report['machine_info'].get('cpu', {}).get('count', '?')} threads\n")
        print_table([row(result, targets) for result in report["benchmarks"]])
    return int(status)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
