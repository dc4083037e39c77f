"""Running an ONNX file on ONNX Runtime: one class per input convention, one method for both.

The graphs come as files that :mod:`openviking.encoder.layout` has laid out for this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime

from openviking.encoder.layout import open_session, quiet_options, without_layout
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.types import Vectors

_LONG_TOKENS = 128
"""Tokens of a run from which on its time is large against that of mapping memory."""


class TokenSession(Protocol):
    """What turns token ids into vectors.

    Attributes:
        batch_tokens: tokens after which a larger batch gains nothing more.
    """

    batch_tokens: int

    def run(self, token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        """Embed texts of (s,) token ids each, markers included; (n, dim), in the given order."""


class SingleTextSession:
    """Graphs of stock operators: ``input_ids`` int64 (1, s), one text per run.

    The int8 kernel of ONNX Runtime sums the last rows of a matrix in another order than the rest:
    with several texts in one run, a text's vector would move by up to 0.005 with its neighbours.
    Alone it depends on nothing but itself. From 32 tokens on, batching would gain nothing anyway.

    Args:
        path: the ONNX file.
        threads: threads that work on one run.
        laid_out: whether the file's weights are laid out for this machine; if not, they are laid
            out in memory while the file is opened.
    """

    batch_tokens = 128

    def __init__(self, path: Path, *, threads: int, laid_out: bool = True) -> None:
        options = _options(threads)
        if laid_out:
            self._session = open_session(path, options)
        else:
            options.add_session_config_entry(
                "session.model_external_initializers_file_folder_path", str(path.parent)
            )
            self._session = open_session(without_layout(path), options)

    def run(self, token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        """Embed texts of (s,) token ids each, markers included; (n, dim), in the given order."""
        return np.concatenate(
            [_run(self._session, {"input_ids": ids[np.newaxis]}) for ids in token_ids]
        )


class PackedSession:
    """Graphs of native operators: all tokens in one row, and the offset at which each text starts.

    ``input_ids`` int64 (t,) and ``offsets`` int64 (n + 1,), the last offset being t.

    Args:
        path: the ONNX file.
        threads: threads that work on one run.
        operators: the shared library that registers the operators, None if none are needed.
    """

    batch_tokens = 384

    def __init__(self, path: Path, *, threads: int, operators: Path | None) -> None:
        options = _options(threads)
        if operators is not None:
            _register(options, operators)
        self._session = open_session(path, options)
        # Of tensors of a long run nothing is kept: 2.4 MB, which the next one maps anew in 1 ms.
        self._releasing = onnxruntime.RunOptions()
        self._releasing.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(self, token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        """Embed texts of (s,) token ids each, markers included; (n, dim), in the given order."""
        offsets = np.zeros(len(token_ids) + 1, dtype=np.int64)
        np.cumsum([len(ids) for ids in token_ids], out=offsets[1:])
        inputs = {"input_ids": np.concatenate(token_ids), "offsets": offsets}
        is_long = offsets[-1] > _LONG_TOKENS
        return _run(self._session, inputs, self._releasing if is_long else None)


def _options(threads: int) -> Any:
    options = quiet_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return options


def _register(options: Any, operators: Path) -> None:
    try:
        options.register_custom_ops_library(str(operators))
    except Exception as error:
        raise EncoderError(f"cannot load the operators of {operators}: {error}") from error


def _run(session: Any, inputs: dict[str, NDArray[np.int64]], options: Any = None) -> Vectors:
    try:
        vectors: Vectors = session.run(["embeddings"], inputs, options)[0]
    except Exception as error:
        raise EncoderError(f"ONNX Runtime failed while encoding: {error}") from error
    return vectors
