"""The child process: one encoder, driven by JSON lines on standard input and output.

``python -m benches.peers.worker``. Requests and answers, one JSON object a line each:

- ``{"load": {"encoder", "threads", "options"}}`` -> ``{"version"}`` or ``{"absent": reason}``
- ``{"time": [[text, ...], ...]}`` -> ``{"seconds": [...]}``, one per call
- ``{"encode": [text, ...]}`` -> ``{"vectors": base64 of float32 rows}``

Any other failure is answered as ``{"error": text}``. The end of the input ends the process.
"""

from __future__ import annotations

import base64
import ctypes
import gc
import json
import os
import signal
import sys
import time
from typing import Any

import numpy as np

from benches.peers.encoders import ENCODERS, HIDDEN, AbsentError, PeerEncoder

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer requests until the input ends."""
    # A stopped process would outlive a killed parent for ever; the kernel kills it instead.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Libraries print: their output goes to standard error, ours to the saved descriptor.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = _Session()
    for line in sys.stdin:
        print(json.dumps(session.answer(json.loads(line))), file=answers, flush=True)


class _Session:
    def __init__(self) -> None:
        self._encoder: PeerEncoder | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._answer(request)
        except (AbsentError, ImportError) as reason:
            return {"absent": str(reason)}
        except Exception as error:  # noqa: BLE001 - libraries raise what they like
            return {"error": f"{type(error).__name__}: {error}"}

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "load" in request:
            load = request["load"]
            self._encoder = ENCODERS[load["encoder"]](load["threads"], load["options"])
            return {"version": self._encoder.version}
        assert self._encoder is not None, "load comes first"
        if "time" in request:
            return {"seconds": _timed(self._encoder, request["time"])}
        return {"vectors": _packed(self._encoder, request["encode"])}


def _timed(encoder: PeerEncoder, calls: list[list[str]]) -> list[float]:
    """Time each call, after an untimed one: this process was stopped while others ran."""
    encoder.encode(calls[0][:1])
    gc.collect()
    gc.disable()  # a collection of one library's objects is noise in another's figure
    try:
        return [_seconds(encoder, texts) for texts in calls]
    finally:
        gc.enable()


def _seconds(encoder: PeerEncoder, texts: list[str]) -> float:
    started = time.perf_counter()
    encoder.encode(texts)
    return time.perf_counter() - started


def _packed(encoder: PeerEncoder, texts: list[str]) -> str:
    vectors = np.asarray(encoder.encode(texts), dtype="<f4")
    if vectors.shape != (len(texts), HIDDEN):
        raise ValueError(f"expected shape {(len(texts), HIDDEN)}, got {vectors.shape}")
    return base64.b64encode(vectors.tobytes()).decode("ascii")


if __name__ == "__main__":
    main()
