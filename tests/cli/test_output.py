"""Tables, visible control characters, and the progress line on an injected clock."""

from __future__ import annotations

import io

import pytest

from openviking.cli.output import bytes_text, plain, print_table, short, visible
from openviking.cli.progress import ProgressLine


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_text_of_strangers_cannot_move_the_cursor_or_break_a_line():
    hostile = "a\x1b[2Jb\rc\nd\x9be\x00"

    assert plain(hostile) == "a\\x1b[2Jb c d\\x9be\\x00"
    assert visible("a\r\n\tb\x1b[0m\r") == "a\n\tb\\x1b[0m\\x0d"


def test_short_cuts_with_an_ellipsis_at_the_width():
    assert short("abcdef", 6) == "abcdef"
    assert short("abcdefg", 6) == "abcde…"
    assert short("ab\ncd", 10) == "ab cd"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (437_971_872, "438.0 MB"),
        (9_123_456_789, "9.1 GB"),
    ],
)
def test_bytes_are_written_in_powers_of_a_thousand(count: int, text: str):
    assert bytes_text(count) == text


def test_a_table_aligns_text_left_and_numbers_right(capsys: pytest.CaptureFixture[str]):
    print_table(("name", "n"), [("a", 5), ("longer", 10)])

    assert capsys.readouterr().out == "name     n\na        5\nlonger  10\n"


def test_an_empty_table_is_its_heading(capsys: pytest.CaptureFixture[str]):
    print_table(("name", "n"), [])

    assert capsys.readouterr().out == "name  n\n"


def test_on_a_terminal_one_line_moves_and_shows_share_rate_and_rest():
    clock, stream = Clock(), Terminal()

    with ProgressLine("download", stream=stream, clock=clock) as line:
        line(0, 100_000_000)
        clock.now += 2
        line(50_000_000, 100_000_000)
        clock.now += 0.01
        line(50_100_000, 100_000_000)
        clock.now += 2
        line(100_000_000, 100_000_000)

    drawn = stream.getvalue().split("\r")
    assert stream.getvalue().count("\n") == 1
    assert "50%" in drawn[2]
    assert "50.0 MB of 100.0 MB  25.0 MB/s  2 s left" in drawn[2]
    assert not any("50.1 MB" in text for text in drawn), "redrawn at most ten times a second"
    assert "[########################]  100%" in drawn[-1]


def test_a_resumed_download_does_not_boast_with_what_was_there():
    clock, stream = Clock(), Terminal()

    with ProgressLine("download", stream=stream, clock=clock) as line:
        line(90_000_000, 100_000_000)
        clock.now += 1
        line(91_000_000, 100_000_000)

    assert "1.0 MB/s  9 s left" in stream.getvalue()


def test_a_shorter_line_leaves_nothing_of_the_longer_one():
    clock, stream = Clock(), Terminal()

    with ProgressLine("work", unit="files", stream=stream, clock=clock) as line:
        line(0, 1_000_000)
        clock.now += 1
        line(1, 10)

    widths = [len(text.rstrip("\n")) for text in stream.getvalue().split("\r")[1:]]
    assert widths[1] >= widths[0]


def test_in_a_log_there_are_plain_lines_now_and_then():
    clock, stream = Clock(), io.StringIO()

    with ProgressLine("import", unit="files", stream=stream, clock=clock) as line:
        for done in range(0, 101, 10):
            line(done, 100)
            clock.now += 1

    text = stream.getvalue()
    assert "\r" not in text
    assert text.count("\n") == 3
    assert "100 files of 100 files" in text.splitlines()[-1]


def test_stages_get_a_line_each_and_an_unknown_total_is_shown_without_a_share():
    clock, stream = Clock(), io.StringIO()

    with ProgressLine("model", stream=stream, clock=clock) as line:
        line.report("download", 5_000_000, 5_000_000)
        line.report("build int8-ort", 0, 0)
        line.report("build int8-ort", 1, 1)
        line.report("verify", 7_000_000, 0)

    shown = stream.getvalue().splitlines()
    assert [text.split("  ")[0] for text in shown] == ["download", "build int8-ort", "verify"]
    assert "5.0 MB of 5.0 MB" in shown[0]
    assert "1 layers of 1 layers" in shown[1]
    assert shown[2].endswith("7.0 MB")


def test_work_that_reports_nothing_prints_nothing():
    stream = io.StringIO()

    with ProgressLine("nothing", stream=stream):
        pass

    assert stream.getvalue() == ""
