"""The command line: ``openviking serve | model | skills | embed | search | resources | ...``.

Commands parse options, call the engine and print; they decide nothing else. Everything that takes
time to import is imported inside the command that needs it.
"""

from openviking.cli.app import main

__all__ = ["main"]
