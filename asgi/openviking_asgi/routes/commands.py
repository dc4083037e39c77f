"""Slash commands: contract, section 6."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from openviking.errors import NotFoundError
from openviking_asgi.operation import Operation
from openviking_asgi.schemas.commands import (
    CommandAnswer,
    CommandDetail,
    CommandList,
    CommandRequest,
    CommandSearchAnswer,
    CommandSummary,
)

if TYPE_CHECKING:
    from openviking.commands import Command
    from openviking_asgi.operation import Call


def _list(call: Call) -> CommandList:
    commands = call.engine.commands
    found = [_summary(command) for command in commands.list()]
    return {
        "commands": found,
        "source": os.pathsep.join(str(folder) for folder in commands.folders),
        "count": len(found),
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "message": finding.message,
                "path": finding.path,
                "line": finding.line,
            }
            for finding in commands.findings()
        ],
    }


def _get(call: Call) -> CommandAnswer:
    body: CommandRequest = call.body
    command = call.engine.commands.find(body.name)
    if command is None:
        return {
            "name": body.name.strip().removeprefix("/"),
            "description": "",
            "instructions": "",
            "found": False,
            "agent": None,
            "model": None,
        }
    return _answer(command)


def _show(call: Call) -> CommandDetail:
    name = call.params["name"]
    command = call.engine.commands.find(name)
    if command is None:
        raise NotFoundError(f"there is no command {name!r}; GET /commands lists those there are")
    return {**_answer(command), "path": command.path}


def _search(call: Call) -> CommandSearchAnswer:
    query = call.params["query"]
    hits = call.engine.commands.search(query)
    return {
        "query": query,
        "results": [{**_summary(hit.command), "score": hit.score} for hit in hits],
        "count": len(hits),
    }


def _summary(command: Command) -> CommandSummary:
    return {
        "name": f"/{command.name}",
        "description": command.description,
        "agent": command.agent,
        "model": command.model,
    }


def _answer(command: Command) -> CommandAnswer:
    return {
        "name": command.name,
        "description": command.description,
        "instructions": command.instructions,
        "found": True,
        "agent": command.agent,
        "model": command.model,
    }


OPERATIONS = (
    Operation(
        "GET", "/commands", "list_commands", "List slash commands by name", "Commands", _list,
        answer=CommandList,
    ),
    Operation(
        "POST", "/commands/get", "find_command",
        "Get a command, or learn that there is none of that name", "Commands", _get,
        body=CommandRequest, answer=CommandAnswer,
    ),
    Operation(
        "GET", "/commands/search/{query:path}", "search_commands", "Find commands by words",
        "Commands", _search, answer=CommandSearchAnswer,
        params=(("query", "Words of the name, the description or the instructions."),),
    ),
    Operation(
        "GET", "/commands/{name}", "get_command", "Get a command with the path of its file",
        "Commands", _show, answer=CommandDetail, errors=(404,),
        params=(("name", "The command's name; a slash before it is percent-encoded."),),
    ),
)  # fmt: skip
