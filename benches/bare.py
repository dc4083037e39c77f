"""The least a Starlette server can do: read a JSON body, answer a fixed document as JSON.

    python -m benches.bare ANSWER.json [--tokens 8]

It is served on a free port, which is printed. With ``--tokens`` each request runs the model once
before it is answered, on as many random tokens, in the event loop: no tokenizer, cache or thread.
What a route of ours costs beyond this is ours to answer for.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 - Starlette reads the annotation
from starlette.responses import JSONResponse
from starlette.routing import Route

from openviking_asgi.server import listen

from .encoder_kernels import open_session, random_text

if TYPE_CHECKING:
    from collections.abc import Callable


def model_run(tokens: int) -> Callable[[], object]:
    """Open the model; what is returned runs it on a new text of so many random tokens."""
    session = open_session("int8-native", os.cpu_count() or 1)
    rng = np.random.default_rng(7)
    return lambda: session.run([random_text(tokens, rng)])


def main() -> None:
    """Serve the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("document", type=Path)
    parser.add_argument("--tokens", type=int, default=0)
    arguments = parser.parse_args()
    document = json.loads(arguments.document.read_text("utf-8"))
    run_model = model_run(arguments.tokens) if arguments.tokens else None

    async def answer(request: Request) -> JSONResponse:
        await request.json()
        if run_model is not None:
            run_model()
        return JSONResponse(document)

    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    listener = listen("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
