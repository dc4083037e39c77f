"""The version, as the distribution states it; a test holds the two together.

Asking ``importlib.metadata`` for it would cost every process 0.7 MB and 20 ms.
"""

__version__ = "0.1.0"
"""Semantic version of the package, the one of ``Cargo.toml``."""
