"""usearch and onnxruntime in one process, whichever is loaded first."""

from __future__ import annotations

import subprocess
import sys

import pytest

USE_GRAPH = """
import numpy as np
from openviking.index import Index
index = Index(4, "hnsw")
index.add(np.arange(4), np.eye(4, dtype=np.float32))
assert index.search(np.eye(4, dtype=np.float32), 1)[0].ravel().tolist() == [0, 1, 2, 3]
"""

USE_RUNTIME = """
import onnxruntime
assert onnxruntime.get_available_providers()
onnxruntime.SessionOptions()
"""


@pytest.mark.parametrize(
    "code", [USE_GRAPH + USE_RUNTIME, USE_RUNTIME + USE_GRAPH], ids=["usearch", "onnxruntime"]
)
def test_either_library_may_be_loaded_first(code: str):
    pytest.importorskip("onnxruntime")
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_index_does_not_load_usearch():
    code = "import sys, openviking.index; assert 'usearch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603 - same
