"""The least a Starlette server can do: read a JSON body, answer a fixed document as JSON.

``python -m benches.bare ANSWER.json`` serves it on a free port, which it prints. What a route of
ours costs beyond this is ours to answer for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 - Starlette reads the annotation
from starlette.responses import JSONResponse
from starlette.routing import Route

from openviking_asgi.server import listen


def main(path: str) -> None:
    """Serve the document in the file at *path*."""
    document = json.loads(Path(path).read_text("utf-8"))

    async def answer(request: Request) -> JSONResponse:
        await request.json()
        return JSONResponse(document)

    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    listener = listen("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
