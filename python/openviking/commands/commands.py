"""All commands of some folders: found by name, searched by words, read again when files change."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openviking.commands.command import Command, Findings, command_name, read_command
from openviking.commands.scan import scan
from openviking.commands.sync import SyncReport, sync_files
from openviking.store.words import query_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from openviking.commands.scan import Scan, Stamp
    from openviking.findings import Finding

SETTLED_NS = 2_000_000_000
"""A file changed less than so long before it was read is read again: file systems count time in
steps of up to two seconds, and a second change within the step leaves size and times as they were.
"""

FREE_CHECK_S = 0.002
"""A look at the folders is made at every call, unless two in a row took longer than this; 8 files
take 0.05 ms."""

_PAUSE_FACTOR = 20
_RESULTS_MAX = 100
# A word says the more, the nearer it stands to the name.
_WEIGHTS = {"name": 4.0, "description": 2.0, "body": 1.0}


@dataclass(frozen=True, slots=True)
class CommandHit:
    """A command that a search found; ``score`` is larger for better, and has no upper bound."""

    command: Command
    score: float


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file held when it was read."""

    stamp: Stamp
    is_settled: bool
    command: Command | None
    words: dict[str, set[str]]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """Everything known at one moment."""

    files: dict[str, _Read] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class Commands:
    """The slash commands of *folders*. Safe for threads.

    Args:
        folders: where the files are; of two files of one name the first in this order counts.
        now_ns: wall clock in nanoseconds, as the file system dates its files.
        timer: monotonic clock in seconds, by which a look at the folders is found to be costly.
    """

    def __init__(
        self,
        folders: Iterable[str | Path] = (),
        *,
        now_ns: Callable[[], int] = time.time_ns,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folders = tuple(
            Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - keeps links
            for folder in folders
        )
        self._now_ns = now_ns
        self._timer = timer
        self._state = _State()
        self._refreshing = threading.Lock()
        self._next_check = -math.inf
        self._last_cost = 0.0

    def find(self, name: str) -> Command | None:
        """Return the command of that name, with or without its slash; None if there is none.

        Upper and lower case are told apart only where two commands differ in nothing else.
        """
        commands = self._current().commands
        wanted = command_name(name.strip().removeprefix("/"))
        if wanted is None:
            return None
        if wanted in commands:
            return commands[wanted]
        folded = wanted.casefold()
        return next((commands[key] for key in commands if key.casefold() == folded), None)

    def names(self) -> list[str]:
        """Return all names, sorted, without slashes."""
        return list(self._current().commands)

    def list(self) -> list[Command]:
        """Return all commands, sorted by name."""
        return [*self._current().commands.values()]

    def findings(self) -> tuple[Finding, ...]:
        """Return what is odd about the files and folders, refused ones included."""
        return self._current().findings

    def search(self, query: str, *, limit: int = 20) -> tuple[CommandHit, ...]:
        """Return the commands in which words of *query* stand, best first.

        A word that few commands have counts more, one in the name more than one in the text. A word
        also matches one that it begins, from three letters on.
        """
        state = self._current()
        commands = state.commands
        terms = _terms(query.strip().removeprefix("/"))
        strengths = {
            name: {
                term: strength
                for term in terms
                if (strength := _strength(term, state.files[command.path].words))
            }
            for name, command in commands.items()
        }
        common = Counter(term for found in strengths.values() for term in found)
        hits = [
            CommandHit(
                commands[name],
                round(
                    sum(
                        strength * math.log(1 + len(commands) / common[term])
                        for term, strength in found.items()
                    ),
                    4,
                ),
            )
            for name, found in strengths.items()
            if found
        ]
        hits.sort(key=lambda hit: (-hit.score, hit.command.name))
        return tuple(hits[: min(max(limit, 0), _RESULTS_MAX)])

    def sync(self, target: str | Path, *, is_forced: bool = False) -> SyncReport:
        """Copy every command's file into *target*, an agent's folder of workflows; see sync_files.

        Raises:
            InputError: *target* is one of our own folders, or lies in one.
            StoreError: it cannot be written.
        """
        with self._refreshing:
            state = self._look()
        # Of what could not be read nobody knows that it is gone.
        is_whole = not any(f.code in {"file-unreadable", "folder-full"} for f in state.findings)
        return sync_files(
            tuple(state.commands.values()),
            self.folders,
            Path(target),
            is_forced=is_forced,
            may_remove=is_whole,
        )

    def stats(self) -> dict[str, Any]:
        """Counts for the health report."""
        state = self._current()
        return {
            "commands": len(state.commands),
            "refused": sum(finding.severity == "error" for finding in state.findings),
            "folders": [str(folder) for folder in self.folders],
        }

    def _current(self) -> _State:
        """Return the state of the files now; of many threads one looks and the others wait."""
        if not self.folders or self._timer() < self._next_check:
            return self._state
        with self._refreshing:
            return self._state if self._timer() < self._next_check else self._look()

    def _look(self) -> _State:
        """Look at the folders, however lately that was done; the lock is held."""
        started = self._timer()
        found = scan(self.folders)
        before = self._state
        is_same = len(found.files) == len(before.files) and all(
            (read := before.files.get(path)) is not None and read.is_settled and read.stamp == stamp
            for path, stamp in found.files.items()
        )
        if not is_same or list(found.files) != list(before.files) or found.findings:
            self._state = self._read_again(found)
        cost = self._timer() - started
        # One slow look may be the machine's doing, two in a row are the folders'.
        usual, self._last_cost = min(cost, self._last_cost), cost
        if usual > FREE_CHECK_S:
            # Large or slow folders: looking takes at most a twentieth of the time.
            self._next_check = self._timer() + _PAUSE_FACTOR * usual
        return self._state

    def _read_again(self, found: Scan) -> _State:
        before = self._state.files
        files: dict[str, _Read] = {}
        for path, stamp in found.files.items():
            known = before.get(path)
            if known is not None and known.is_settled and known.stamp == stamp:
                files[path] = known
                continue
            age_ns = self._now_ns() - max(stamp.modified_ns, stamp.changed_ns)
            command, findings = read_command(Path(path))
            words = {} if command is None else _words(command)
            files[path] = _Read(stamp, age_ns > SETTLED_NS, command, words, tuple(findings))
        commands: dict[str, Command] = {}
        findings = list(found.findings)
        for path, read in files.items():
            findings.extend(read.findings)
            if read.command is None:
                continue
            holder = commands.setdefault(read.command.name, read.command)
            if holder is not read.command:
                report = Findings(path)
                report.add("name-taken", f"/{holder.name} is {holder.path}; this one is left out")
                findings.extend(report.found)
        ordered = dict(sorted(commands.items()))
        return _State(files, ordered, tuple(findings))


def _words(command: Command) -> dict[str, set[str]]:
    return {
        "name": _terms(command.name),
        "description": _terms(command.description),
        # Line by line, for a query's number of terms is limited.
        "body": {
            term
            for line in [command.agent or "", *command.instructions.split("\n")]
            for term in _terms(line)
        },
    }


def _terms(text: str) -> set[str]:
    """Return the words of *text* without a plural's ending: ``tests`` is to find ``/test``."""
    return {
        term[:-1] if len(term) > 3 and term.endswith("s") and not term.endswith("ss") else term
        for term in query_terms(text)
    }


def _strength(term: str, words: dict[str, set[str]]) -> float:
    """Return how strongly *term* stands in a command, 0 if it does not."""
    strength = 0.0
    for where, weight in _WEIGHTS.items():
        if term in words[where]:
            strength += weight
        elif len(term) >= 3 and any(word.startswith(term) for word in words[where]):
            strength += weight / 2
    return strength
