"""Skills: loading, searching and keeping SKILL.md files."""

from openviking.findings import Finding
from openviking.skills.explanation import Explanation, Fitness, PartMeaning, Reasons
from openviking.skills.findings import CODES
from openviking.skills.load import parse_skill, read_skill
from openviking.skills.overrides import Override
from openviking.skills.report import ImportReport
from openviking.skills.search import Rankings, SkillHit, SkillSearch, Why
from openviking.skills.skills import Skills
from openviking.skills.switch import Switched
from openviking.skills.validate import ValidationReport, validate_paths
from openviking.skills.views import SkillPage, SkillTree

__all__ = [
    "CODES",
    "Explanation",
    "Finding",
    "Fitness",
    "ImportReport",
    "Override",
    "PartMeaning",
    "Rankings",
    "Reasons",
    "SkillHit",
    "SkillPage",
    "SkillSearch",
    "SkillTree",
    "Skills",
    "Switched",
    "ValidationReport",
    "Why",
    "parse_skill",
    "read_skill",
    "validate_paths",
]
