"""The server's log: the form of its lines, and which are written."""

from __future__ import annotations

import json
import logging
import re
import sys
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Literal

import pytest

from openviking.config import Logging
from openviking_asgi.log import configure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking_asgi.gate import RequestLog

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


class Log:
    """What one process wrote to its standard error."""

    def __init__(self, settings: Logging, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bytes = BytesIO()
        self._text = TextIOWrapper(self._bytes, "utf-8", "backslashreplace", line_buffering=True)
        monkeypatch.setattr(sys, "stderr", self._text)
        self.request: RequestLog = configure(settings)

    def lines(self) -> list[str]:
        self._text.flush()
        return self._bytes.getvalue().decode("utf-8").splitlines()


@contextmanager
def logging_to(monkeypatch: pytest.MonkeyPatch, *, form: str, level: str = "INFO") -> Iterator[Log]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    before = (root.handlers[:], root.level, uvicorn.level)
    try:
        yield Log(Logging(format=form, level=level), monkeypatch)  # type: ignore[arg-type]
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        uvicorn.setLevel(before[2])


def test_a_request_is_one_json_line_with_its_fields_and_the_time(monkeypatch: pytest.MonkeyPatch):
    with logging_to(monkeypatch, form="json") as log:
        log.request("request", method="POST", status=200, duration_ms=1.5)

        (line,) = log.lines()
        fields = json.loads(line)
        assert re.fullmatch(TIME, fields.pop("timestamp"))
        assert fields == {
            "event": "request",
            "level": "info",
            "method": "POST",
            "status": 200,
            "duration_ms": 1.5,
        }


def test_a_library_line_names_its_logger_and_what_was_raised(monkeypatch: pytest.MonkeyPatch):
    with logging_to(monkeypatch, form="json") as log:
        try:
            raise ValueError("no such thing")  # noqa: TRY301 - an exception in flight is the point
        except ValueError:
            logging.getLogger("openviking").exception("it failed for %s", "a reason")

        (line,) = log.lines()
        fields = json.loads(line)
        assert fields["event"] == "it failed for a reason"
        assert (fields["logger"], fields["level"]) == ("openviking", "error")
        assert fields["exception"].endswith("ValueError: no such thing")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_name_that_is_no_text_is_logged(
    form: Literal["json", "console"], monkeypatch: pytest.MonkeyPatch
):
    with logging_to(monkeypatch, form=form) as log:
        logging.getLogger("openviking").warning(
            "cannot read %s", b"a\xff".decode("utf-8", "surrogateescape")
        )

        (line,) = log.lines()
        assert "cannot read a" in line
        assert "udcff" in line


def test_a_line_for_a_terminal_begins_with_time_level_and_event(monkeypatch: pytest.MonkeyPatch):
    with logging_to(monkeypatch, form="console") as log:
        log.request("request", method="GET", status=503)
        logging.getLogger("openviking").warning("slow")

        first, second = log.lines()
        assert re.fullmatch(rf"{TIME} \[info    \] request method=GET status=503", first)
        assert re.fullmatch(rf"{TIME} \[warning \] slow logger=openviking", second)


@pytest.mark.parametrize(("level", "kept"), [("INFO", 2), ("WARNING", 1), ("ERROR", 0)])
def test_lines_below_the_level_are_not_written(
    level: str, kept: int, monkeypatch: pytest.MonkeyPatch
):
    with logging_to(monkeypatch, form="json", level=level) as log:
        log.request("request", status=200)
        logging.getLogger("openviking").warning("odd")

        assert len(log.lines()) == kept
