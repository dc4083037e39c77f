"""Conversations: a short working window, and behind it an archive that is searched.

The window is what a model is given with the next message; it ends with idleness or a flush. The
archive keeps every message until it is deleted or its retention ends.
"""

from openviking.conversation.archive import ArchiveHit, ArchiveSearch
from openviking.conversation.conversations import Conversations
from openviking.conversation.history import History, SessionView
from openviking.conversation.knowledge import Passage
from openviking.conversation.lifetime import Lifetimes
from openviking.conversation.ports import (
    ChatModel,
    Command,
    Commands,
    Memory,
    ResourceFinder,
    SkillFinder,
    Sources,
)
from openviking.conversation.reply import Reply
from openviking.conversation.transfer import Imported, message_fields
from openviking.conversation.turn import Said, Turn

__all__ = [
    "ArchiveHit",
    "ArchiveSearch",
    "ChatModel",
    "Command",
    "Commands",
    "Conversations",
    "History",
    "Imported",
    "Lifetimes",
    "Memory",
    "Passage",
    "Reply",
    "ResourceFinder",
    "Said",
    "SessionView",
    "SkillFinder",
    "Sources",
    "Turn",
    "message_fields",
]
