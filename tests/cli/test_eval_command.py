from __future__ import annotations

import json
from typing import TYPE_CHECKING

from openviking.cli.eval import print_report
from openviking.evaluation import Answers, LabelledQuery

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from tests.cli.conftest import Run


def write_set(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        '{"_id": "pdf", "title": "pdf", "text": "merge pdf documents"}\n'
        '{"_id": "sql", "title": "sql", "text": "tune slow database queries"}\n'
    )
    (folder / "queries.jsonl").write_text(
        '{"_id": "1", "text": "merge two pdf documents"}\n'
        '{"_id": "2", "text": "slow database queries"}\n'
        '{"_id": "3", "text": "zzz", "answerable": false}\n'
    )
    (folder / "qrels" / "test.tsv").write_text("1\tpdf\t1\n2\tsql\t1\n")
    return folder


def test_eval_prints_a_table(run: Run, tmp_path: Path):
    done = run("eval", write_set(tmp_path / "mine"))
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "mine: 2 questions, 2 skills"
    assert [line.split()[0] for line in lines[2:6]] == ["words", "vectors", "fused", "search"]
    assert "1.000 [1.000, 1.000]" in lines[4]
    assert [line[:17].strip() for line in lines[6:8]] == ["lead over words", "lead over vectors"]
    assert "+0.000 [+0.000, +0.000]" in lines[6]
    assert "turned away 100.0% of 1" in lines[8]


def test_eval_marks_intervals_that_do_not_overlap(capsys: pytest.CaptureFixture[str]):
    queries = [LabelledQuery("merge", frozenset({"pdf"}))] * 20
    ways = {"words": [["sql", "pdf"]] * 20, "fused": [["pdf"]] * 20}
    print_report(Answers("mine", 2, queries, ways, [True] * 20, [0.001] * 20).report())

    lead, legend = capsys.readouterr().out.splitlines()[4:6]
    cells = lead.split("  +")
    assert cells[0] == "lead over words"
    assert [cell.rstrip() for cell in cells[1:3]] == [
        "1.000 [+1.000, +1.000]*", "0.000 [+0.000, +0.000]",
    ]  # fmt: skip
    assert legend.startswith("* ")


def test_eval_prints_json(run: Run, tmp_path: Path):
    done = run("eval", write_set(tmp_path / "mine"), "--json", "--limit", "3")
    (report,) = json.loads(done.stdout)
    assert (report["name"], report["queries"], report["unanswerable"]) == ("mine", 2, 1)
    fused = next(row for row in report["rows"] if row["method"] == "fused")
    assert fused["estimates"]["recall@1"] == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_eval_names_what_is_wrong(run: Run, tmp_path: Path):
    assert "no such file or folder" in run("eval", tmp_path / "none").stderr
    assert "limit" in run("eval", write_set(tmp_path / "mine"), "--limit", "0").stderr


def test_skills_doctor_tells_and_can_fail(run: Run, tmp_path: Path):
    for where in ("a", "b"):
        (tmp_path / where / "twin").mkdir(parents=True)
        (tmp_path / where / "twin" / "SKILL.md").write_text(
            "---\nname: twin\ndescription: Merge, split, rotate and sign pdf documents with qpdf\n"
            "---\n# Twin\n\nText.\n"
        )
    done = run("skills", "doctor", tmp_path, "--strict")
    assert done.exit_code == 1
    assert done.stdout.count("description-duplicate") == 2
    assert "2 skills: 2 could be easier to find" in done.stdout
    found = json.loads(run("skills", "doctor", tmp_path, "--json").stdout)
    assert found[0]["neighbours"][0]["path"] == found[1]["path"]
