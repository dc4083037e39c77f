"""The table of rules by which something is learned from what a person says of themselves."""

from openviking.memory.rules.entities import ENTITIES
from openviking.memory.rules.events import EVENTS
from openviking.memory.rules.practice import PRACTICE
from openviking.memory.rules.preferences import PREFERENCES
from openviking.memory.rules.profile import PROFILE
from openviking.memory.rules.rule import Category, Kind, Rule

__all__ = ["RULES", "Category", "Kind", "Rule"]

RULES: tuple[Rule, ...] = (*PROFILE, *PREFERENCES, *ENTITIES, *EVENTS, *PRACTICE)
"""All rules; each is tried on every clause."""
