"""The version, as the installed distribution states it."""

from importlib.metadata import version

__version__ = version("openviking-native")
"""Semantic version of the package, e.g. ``0.1.0``."""
