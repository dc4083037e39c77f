"""Slash commands: Markdown files that tell an agent what to do when it hears ``/name``.

A command's name is its file's name without the ending. The folders are looked at again whenever
somebody asks, so an edit counts from the next call on; nothing runs in the background.
"""

from openviking.commands.command import CODES, Command, parse_command
from openviking.commands.commands import CommandHit, Commands
from openviking.commands.sync import SyncReport
from openviking.findings import Finding

__all__ = [
    "CODES",
    "Command",
    "CommandHit",
    "Commands",
    "Finding",
    "SyncReport",
    "parse_command",
]
