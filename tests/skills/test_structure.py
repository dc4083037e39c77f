from __future__ import annotations

import pytest

from openviking.skills import parse_skill
from openviking.skills.structure import (
    EXAMPLES_MAX,
    complexity,
    find_examples,
    first_paragraph,
    folder_category,
    headings,
    owner_levels,
    slug,
    without_owner,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Flight Director", "flight-director"),
        ("FlightDirector", "flight-director"),
        ("pdf_tools.v2", "pdf-tools-v2"),
        ("C++ & C#", "c-plus-plus-c-sharp"),
        ("Café Über", "cafe-uber"),
        ("--a--", "a"),
        ("文書", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_slugs_are_kebab_case(name: str, expected: str):
    assert slug(name) == expected


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ((), ("general", "")),
        (("grid",), ("general", "")),
        (("web", "grid"), ("web", "")),
        (("web", "css", "grid"), ("web", "css")),
        (("skills", "web", "grid"), ("web", "")),
        (("project", ".agent", "skills", "grid"), ("general", "")),
        (("a", "b", "c", "d"), ("a", "b")),
    ],
)
def test_folders_between_root_and_skill_name_its_category(
    folders: tuple[str, ...], expected: tuple[str, str]
):
    assert folder_category(folders) == expected


def test_examples_come_from_lists_under_telling_headings():
    body = """# Lights
- not an example here at all

## Usage examples
- "Turn the kitchen lights blue when my team leads"
- Dim all lights in the evening
- `lights --off`
- short
1. Switch everything off at midnight please

### Deeper
- still inside of the examples

## Setup
- install the bridge and press its button
"""

    assert find_examples(body) == (
        "Turn the kitchen lights blue when my team leads",
        "Dim all lights in the evening",
        "Switch everything off at midnight please",
        "still inside of the examples",
    )


def test_examples_are_not_taken_from_code():
    assert find_examples("## Examples\n```\n- not a real example here\n```\n") == ()


def test_the_number_of_examples_is_bounded():
    body = "## Examples\n" + "".join(f"- please do thing number {at}\n" for at in range(50))

    assert len(find_examples(body)) == EXAMPLES_MAX


def test_headings_inside_of_code_are_no_headings():
    body = "# One\n```bash\n# comment\n```\n~~~\n## no\n```\n## no\n~~~\n## Two ##\n"

    assert headings(body) == [(1, "One"), (2, "Two")]


def test_only_closing_signs_are_cut_off_a_heading():
    assert headings("# C#\n## F# and C# ##\n#\n# ##\n#no") == [(1, "C#"), (2, "F# and C#")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("# T\n\n- list\n\nThe **first** [paragraph](http://x).\nGoes on.\n\nNot this.", None),
        ("```\ncode\n```\n| a | b |\n> quote\nThe first paragraph. Goes on.", None),
        ("# only\n## headings", ""),
    ],
)
def test_the_first_paragraph_is_prose(body: str, expected: str | None):
    assert first_paragraph(body) == (
        "The first paragraph. Goes on." if expected is None else expected
    )


def test_a_long_first_paragraph_ends_with_a_sentence():
    text = "One sentence of some length here. " * 40

    derived = first_paragraph(text)

    assert len(derived) <= 400
    assert derived.endswith("here.")


@pytest.mark.parametrize(
    ("body", "bundled", "expected"),
    [
        ("short", 0, 1),
        ("short", 3, 2),
        ("word " * 501, 0, 2),
        ("word " * 1501, 0, 3),
        ("```\nx\n```\n" * 5, 0, 2),
        ("word " * 1501 + "\n" + "```\nx\n```\n" * 5, 1, 5),
    ],
)
def test_complexity_counts_signs_of_effort(body: str, bundled: int, expected: int):
    assert complexity(body, bundled) == expected


def test_folders_of_many_owners_are_no_categories():
    places = [("skills", f"owner-{at}", f"skill-{at}") for at in range(40)]
    places += [("skills", "owner-1", f"more-{at}") for at in range(30)]
    levels = owner_levels(places)

    assert levels == {("skills",)}
    assert folder_category(without_owner(("skills", "owner-1", "pdf"), levels)) == ("general", "")
    assert folder_category(without_owner(("skills", "owner-1", "web", "pdf"), levels)) == (
        "web",
        "",
    )


def test_folders_of_few_or_of_full_subjects_stay_categories():
    few = [(f"area-{at}", "skill") for at in range(19)]
    full = [(f"area-{at % 25}", f"skill-{at}") for at in range(75)]
    assert owner_levels(few) == owner_levels(full) == frozenset()
    assert owner_levels([("skill",)] * 50) == frozenset()


def test_a_value_that_cannot_be_used_is_shown():
    _, findings = parse_skill("---\nname: n\ndescription: d\ncomplexity: 99\n---\nBody.\n")
    (found,) = [one for one in findings if one.code == "field-type"]
    assert "from 1 to 5, found the text '99'" in found.message
