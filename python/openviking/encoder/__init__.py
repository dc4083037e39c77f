"""Text to unit vectors: the model on disk, its ONNX graph, and the threads that run it."""
