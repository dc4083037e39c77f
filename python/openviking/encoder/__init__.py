"""Text to unit vectors: the model on disk, its ONNX graph, and the threads that run it."""

from openviking.encoder.encoder import Encoder

__all__ = ["Encoder"]
