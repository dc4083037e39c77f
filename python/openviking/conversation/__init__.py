"""Conversations: a short working window, and behind it an archive that lasts and can be searched.

The window is what an agent's model is given with the next message; it ends with thirty idle minutes
or a flush. The archive keeps every message until it is deleted or its retention ends.
"""

from openviking.conversation.archive import ArchiveHit, ArchiveSearch
from openviking.conversation.conversations import Conversations, Said, SessionView, Sources
from openviking.conversation.ports import Command, Commands, ResourceFinder, SkillFinder
from openviking.conversation.reply import Passage, Reply
from openviking.conversation.transfer import Imported

__all__ = [
    "ArchiveHit",
    "ArchiveSearch",
    "Command",
    "Commands",
    "Conversations",
    "Imported",
    "Passage",
    "Reply",
    "ResourceFinder",
    "Said",
    "SessionView",
    "SkillFinder",
    "Sources",
]
