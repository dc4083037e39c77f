"""Promises kept over HTTP, kernels against NumPy and usearch, encoders against peers."""
