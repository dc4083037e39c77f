"""A server process for tests: the real one over the hashing encoder, driven by its standard input.

It opens the engine after the first line, and holds a request for the text ``hold`` until the next.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.config import load_settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.errors import EncoderError
from openviking.store import SqliteStore
from openviking_asgi.limits import Connections
from openviking_asgi.server import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.config import Settings
    from openviking.types import Embeddings


class HeldEncoder(HashingEncoder):
    """Says ``held`` on standard output and waits for a line before it embeds the text ``hold``."""

    def encode(self, texts: Sequence[str]) -> Embeddings:
        if "hold" in texts:
            sys.stdout.write("held\n")
            sys.stdout.flush()
            os.read(0, 1)
        return super().encode(texts)


def main(folder: str, drain_s: str) -> None:
    """Serve on a free port."""
    settings = load_settings(
        overrides={
            "server": {"port": 0, "drain_s": float(drain_s)},
            "storage": {"path": Path(folder)},
        },
        environ={},
    )

    def open_engine() -> Engine:
        return opened(settings)

    serve(settings, open_engine=open_engine, connections=Connections(head_s=0.5, body_s=0.5))
    sys.stdout.write("ended\n")


def opened(settings: Settings) -> Engine:
    """Open the engine when told; the word ``fail`` makes it fail as a missing model does."""
    if os.read(0, 5) == b"fail\n":
        raise EncoderError("the model is missing; run `openviking model pull`")
    return Engine.open(settings, encoder=HeldEncoder(), store=SqliteStore(settings.storage.path))


if __name__ == "__main__":
    main(*sys.argv[1:])
