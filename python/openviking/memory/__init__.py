"""Memory: facts, preferences, decisions and open tasks that people told, found by readable rules.

Nothing is invented: a memory quotes the sentence that it comes from, names its message, and lives
as long as that message does.
"""

from openviking.memory.extract import Fact, extract
from openviking.memory.memories import PREFIX, Memories
from openviking.memory.ports import Shelf
from openviking.memory.rules import RULES, Category, Kind, Rule

__all__ = [
    "PREFIX",
    "RULES",
    "Category",
    "Fact",
    "Kind",
    "Memories",
    "Rule",
    "Shelf",
    "extract",
]
