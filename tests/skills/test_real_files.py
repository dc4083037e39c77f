"""Real files: the project's examples, the predecessor's tree and 2,874 skills of the field."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openviking.encoder.fake import HashingEncoder
from openviking.skills import parse_skill, validate_paths
from openviking.skills.passages import BODY_PASSAGES_MAX, cut_passages
from openviking.skills.structure import EXAMPLES_MAX

if TYPE_CHECKING:
    from openviking.skills import Skills

EXAMPLES = Path(__file__).parents[2] / "examples" / "skills"


def test_the_projects_examples_are_without_a_finding():
    reports = validate_paths([EXAMPLES])

    assert len(reports) >= 12
    assert {report.path: report.findings for report in reports if report.findings} == {}


def test_the_projects_examples_state_category_and_examples():
    for path in EXAMPLES.glob("*/SKILL.md"):
        skill, _ = parse_skill(path.read_bytes(), path=str(path))
        assert skill is not None
        assert skill.category != "general"
        assert len(skill.examples) >= 4
        assert 60 <= len(path.read_text().splitlines()) <= 150


def test_the_predecessors_files_all_load(skills: Skills, legacy: Path):
    report = skills.import_paths([legacy / "dot-agent"])

    assert report.refused == ()
    assert len(report.added) == 12
    process = skills.get("process")
    assert process.description.startswith("Manages development processes, CI/CD pipelines")
    assert skills.get("flight-director").name == "Flight Director"
    assert skills.get("return-to-base").disable_model_invocation
    assert skills.search("curate the knowledge graph").hits[0].skill.id == "graph"


def test_three_generations_of_one_skill_get_three_ids(skills: Skills, legacy: Path):
    report = skills.import_paths([legacy])

    reflects = [skill_id for skill_id in report.added if skill_id.startswith("reflect")]
    assert reflects == ["reflect", "reflect-skills-early", "reflect-smp-tree"]
    assert skills.import_paths([legacy]).passages_encoded == 0


def test_all_real_skills_load(corpus: list[dict[str, Any]]):
    codes: Counter[str] = Counter()
    encoder = HashingEncoder()
    for number, row in enumerate(corpus):
        front = f"name: {row['name']}\ndescription: {row['description']}"
        skill, findings = parse_skill(
            f"---\n{front}\n---\n{row['body']}".encode(), path=f"/r/{row['path']}", root="/r"
        )
        codes.update(finding.code for finding in findings)

        assert skill is not None
        assert skill.id
        assert skill.description
        if row["description"] and "\n" not in front.removeprefix("name: ").replace("\n", "", 1):
            assert " ".join(skill.description.split())
        if number % 20 == 0:
            passages = cut_passages(skill, encoder)
            assert 1 <= len(passages) <= 2 + EXAMPLES_MAX + BODY_PASSAGES_MAX

    assert codes["frontmatter-yaml"] > 100
    assert not any(code.startswith("file-") for code in codes)


def test_unquoted_descriptions_of_real_skills_are_recovered_whole(corpus: list[dict[str, Any]]):
    for row in corpus:
        description = row["description"]
        is_plain = description == " ".join(description.split()) and ": " in description
        if not is_plain or description[0] in "\"'[{>|&*!%@`#" or " #" in description:
            continue
        text = f"---\nname: x\ndescription: {description}\n---\n# X\n\nbody"
        skill, _ = parse_skill(text)

        assert skill is not None
        assert skill.description == description


def test_quoted_front_matter_gives_back_exactly_what_was_meant(corpus: list[dict[str, Any]]):
    for row in corpus[::10]:
        description = " ".join(row["description"].split())
        if not description:
            continue
        text = f"---\nname: x\ndescription: {json.dumps(description)}\n---\n{row['body']}"
        skill, findings = parse_skill(text)

        assert skill is not None
        assert skill.description == description
        assert "frontmatter-yaml" not in [finding.code for finding in findings]
