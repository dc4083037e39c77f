//! The encoder kernels that ONNX Runtime calls as custom operators.
