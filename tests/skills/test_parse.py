from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.encoder.fake import HashingEncoder
from openviking.skills import CODES, parse_skill
from openviking.skills.load import FILE_BYTES_MAX
from openviking.skills.passages import cut_passages

if TYPE_CHECKING:
    from openviking.types import Skill

PATH = "/root/tools/pdf-merge/SKILL.md"
GOOD = """---
name: pdf-merge
description: Merge several PDF files into one.
license: MIT
compatibility: needs qpdf
allowed-tools: Bash(qpdf:*), Read
metadata:
  author: someone
  version: 1.10
---
# PDF merge

Run qpdf.
"""


def parse(source: str | bytes, **options: object) -> tuple[Skill, list[str]]:
    skill, findings = parse_skill(source, **options)  # type: ignore[arg-type] # any option
    assert skill is not None
    return skill, [finding.code for finding in findings]


def test_a_good_file_is_read_without_a_finding():
    skill, codes = parse(GOOD, path=PATH, root="/root")

    assert codes == []
    assert (skill.id, skill.name, skill.category) == ("pdf-merge", "pdf-merge", "tools")
    assert skill.description == "Merge several PDF files into one."
    assert skill.body == "# PDF merge\n\nRun qpdf."
    assert (skill.license, skill.compatibility) == ("MIT", "needs qpdf")
    assert skill.allowed_tools == ("Bash(qpdf:*)", "Read")
    assert skill.metadata == {"author": "someone", "version": "1.10"}
    assert (skill.origin, skill.path) == ("folder", PATH)


def test_without_front_matter_the_folder_names_and_the_first_paragraph_describes():
    text = "# 🌐 UI Skill\n\n**Purpose**: Manages the web interface.\nAlso tests it.\n\n## More\n"

    skill, codes = parse(text, path="/x/ui/SKILL.md")

    assert (skill.id, skill.name) == ("ui", "ui")
    assert skill.description == "Manages the web interface. Also tests it."
    assert codes == ["frontmatter-missing", "name-missing", "description-missing"]


def test_text_without_a_file_is_named_by_its_heading():
    skill, _ = parse("# Merge PDFs\n\nHow to merge.")

    assert (skill.id, skill.name, skill.origin, skill.path) == (
        "merge-pdfs",
        "Merge PDFs",
        "api",
        None,
    )


def test_an_unquoted_colon_in_the_description_is_recovered_with_its_line():
    text = "---\nname: deploy\ndescription: Use when: deploying: now\ntags:\n  - a\n---\n# D\nx"

    skill, findings = parse_skill(text, path="/x/deploy/SKILL.md")

    assert skill is not None
    assert skill.description == "Use when: deploying: now"
    assert skill.metadata == {"tags": ["a"]}
    assert [(finding.code, finding.line) for finding in findings] == [("frontmatter-yaml", 3)]


def test_recovered_block_text_keeps_all_its_lines():
    text = '---\nname: "x"\nbad: a: b\ndescription: >-\n  first line\n  second line\n---\n# X\ny'

    skill, _ = parse(text, path="/a/x/SKILL.md")

    assert (skill.name, skill.description) == ("x", "first line second line")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (GOOD.replace("\n", "\r\n").encode(), "line-ends-crlf"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "encoding-bom"),
        (GOOD.replace("qpdf.", "qpdf. \xe9").encode("latin-1"), "encoding-not-utf8"),
    ],
)
def test_repaired_bytes_give_the_same_skill_and_one_finding(source: bytes, code: str):
    skill, codes = parse(source, path=PATH, root="/root")

    assert codes == [code]
    assert (skill.name, skill.description) == ("pdf-merge", "Merge several PDF files into one.")
    assert skill.body.startswith("# PDF merge\n\nRun qpdf.")


def test_a_byte_that_does_not_decode_is_replaced_and_its_line_is_named():
    skill, findings = parse_skill(GOOD.encode() + b"\xff tail", path=PATH)

    assert skill is not None
    assert skill.body.endswith("� tail")
    assert [(finding.code, finding.line) for finding in findings] == [("encoding-not-utf8", 14)]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"", "file-empty"),
        (" \n\t\n", "file-empty"),
        (b"\x7fELF\0\0\0", "file-binary"),
        ("a\0b", "file-binary"),
        (b"a" * (FILE_BYTES_MAX + 1), "file-too-large"),
        ("a" * (FILE_BYTES_MAX + 1), "file-too-large"),
    ],
)
def test_what_is_no_text_is_refused(source: str | bytes, code: str):
    skill, findings = parse_skill(source)

    assert skill is None
    assert [(finding.code, finding.severity) for finding in findings] == [(code, "error")]


def test_the_largest_accepted_file_is_accepted():
    skill, _ = parse(b"a" * FILE_BYTES_MAX)

    assert len(skill.body) == FILE_BYTES_MAX


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("a: &a [x, x]\nb: [*a, *a]\n", "frontmatter-alias"),
        ("a: " + "[" * 40 + "]" * 40 + "\n", "frontmatter-limit"),
        ("a: [" + "x," * 20_000 + "]\n", "frontmatter-limit"),
        ("a: " + "x" * 70_000 + "\n", "frontmatter-limit"),
        ("tag: !!python/object/apply:os.system [id]\nb: *gone\n", "frontmatter-alias"),
        ("name: again\n", "frontmatter-duplicate-key"),
    ],
)
def test_abusive_yaml_is_reported_and_the_plain_lines_are_kept(extra: str, code: str):
    text = f"---\nname: safe\ndescription: Still here\n{extra}---\n# S\nbody"

    skill, codes = parse(text, path="/x/safe/SKILL.md")

    assert code in codes
    assert skill.description == "Still here"
    assert skill.name == ("again" if "again" in extra else "safe")


def test_python_tags_build_nothing():
    text = "---\nname: t\ndescription: !!python/name:os.system x\n---\n# T\nbody"

    skill, _ = parse(text, path="/x/t/SKILL.md")

    assert isinstance(skill.description, str)


def test_front_matter_without_an_end_is_read_up_to_the_first_other_line():
    skill, codes = parse(
        "---\nname: open\ndescription: D\n# Heading\ntext", path="/x/open/SKILL.md"
    )

    assert codes == ["frontmatter-unclosed"]
    assert (skill.name, skill.description, skill.body) == ("open", "D", "# Heading\ntext")


def test_a_rule_at_the_top_is_no_front_matter():
    skill, codes = parse("---\n\n# Title\n\nText here.", path="/x/t/SKILL.md")

    assert "frontmatter-missing" in codes
    assert skill.description == "Text here."


@pytest.mark.parametrize(
    ("field", "attribute", "expected"),
    [
        ("description: [one, two]", "description", "one, two"),
        ("description: {a: b}", "description", "Body text."),
        ("description: null", "description", "Body text."),
        ("description: 42", "description", "42"),
        ("examples: only one", "examples", ("only one",)),
        ("examples: [good, [bad], '']", "examples", ("good",)),
        ("complexity: 9", "complexity", 1),
        ("complexity: 4", "complexity", 4),
        ("disable-model-invocation: maybe", "disable_model_invocation", False),
        ("disable-model-invocation: 'Yes'", "disable_model_invocation", True),
        ("allowed-tools: [Read, 'Bash(git add:*)']", "allowed_tools", ("Read", "Bash(git add:*)")),
        ("metadata: text", "metadata", {"metadata": "text"}),
        ("parent_skill: Data Tools", "parent_skill", "data-tools"),
        ("metadata: {category: Web Tools}", "category", "web-tools"),
        ("subcategory: CSS", "subcategory", "css"),
        ("category: 数据", "category", "general"),
    ],
)
def test_a_value_of_the_wrong_type_is_converted_or_left_out(
    field: str, attribute: str, expected: object
):
    skill, _ = parse(f"---\nname: x\n{field}\n---\n# X\n\nBody text.", path="/y/x/SKILL.md")

    assert getattr(skill, attribute) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("---\nname: Other Thing\ndescription: d\n---\n# X\nb", "name-unlike-folder"),
        ("---\nname: X\ndescription: d\n---\n# X\nb", "name-format"),
        (f"---\nname: {'x' * 65}\ndescription: d\n---\n# X\nb", "name-long"),
        (f"---\nname: x\ndescription: {'d' * 1025}\n---\n# X\nb", "description-long"),
        ("---\nname: x\ndescripton: d\n---\n# X\nb", "field-typo"),
        ("---\nname: x\ndescription: d\n---\nno heading", "heading-missing"),
        ("---\nname: x\ndescription: d\n---\n", "body-empty"),
        ("---\nname: x\ndescription: d\ncategory: 数据\n---\n# X\nb", "category-unused"),
        ("---\nname: x\ndescription: d\nsubcategory: '!'\n---\n# X\nb", "category-unused"),
        ("---\n- a\n- b\n---\n# X\nb", "frontmatter-yaml"),
    ],
)
def test_each_oddity_has_its_code(text: str, code: str):
    _, codes = parse(text, path="/y/x/SKILL.md")

    assert code in codes


def test_a_long_description_is_kept_whole():
    skill, _ = parse(f"---\nname: x\ndescription: {'d' * 3000}\n---\n# X\nb")

    assert len(skill.description) == 3000


def test_equal_bytes_have_equal_digests_and_others_differ():
    first, _ = parse(GOOD.encode(), path="/a/SKILL.md")
    again, _ = parse(GOOD.encode(), path="/b/SKILL.md")
    other, _ = parse(GOOD.encode() + b" ", path="/a/SKILL.md")

    assert len(first.digest) == 32
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize(
    "piece", ["[", "](a", "[a](", "<!--", "# \t", "#", "`", "*", "|", '- "a', "```\n", "((", "\t"]
)
def test_no_text_takes_more_than_linear_time(piece: str):
    body = "# x\n\na" + piece * (400_000 // len(piece)) + "x"

    started = time.process_time()
    skill, _ = parse_skill(f"---\nallowed-tools: x{piece[:2] * 9000}\n---\n{body}")
    assert skill is not None
    cut_passages(skill, HashingEncoder())

    # A pattern that backtracks needs minutes for this; the bound leaves room for a slow machine.
    assert time.process_time() - started < 10


def test_names_in_other_scripts_get_an_id_from_the_folder_or_the_name():
    by_folder, _ = parse(
        "---\nname: 文書\ndescription: d\n---\n# 文\nb", path="/x/docs-cn/SKILL.md"
    )
    alone, _ = parse("---\nname: 文書\ndescription: d\n---\n# 文\nb")
    same, _ = parse("---\nname: 文書\ndescription: e\n---\n# 文\nb")

    assert by_folder.id == "docs-cn"
    assert alone.id == same.id != ""


@given(st.binary(max_size=400))
def test_any_bytes_give_a_skill_or_an_error(source: bytes):
    skill, findings = parse_skill(source, path="/x/y/SKILL.md", root="/x")

    assert (skill is None) == any(finding.severity == "error" for finding in findings)
    assert all(CODES[finding.code] == finding.severity for finding in findings)
    if skill is not None:
        assert skill.id
        assert skill.name
        assert skill.description
        assert 1 <= skill.complexity <= 5


@given(st.text(alphabet="-: \n\t'\"[]{}&*!|>#abäname\ud800", max_size=200))
def test_any_front_matter_gives_a_skill_or_an_error(source: str):
    skill, findings = parse_skill(f"---\n{source}\n---\n{source}", path="/x/y/SKILL.md")

    assert (skill is None) == any(finding.severity == "error" for finding in findings)
    if skill is not None:
        (skill.name + skill.description + skill.body).encode("utf-8")
