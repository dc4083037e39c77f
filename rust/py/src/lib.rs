//! `openviking._native`: conversion between NumPy and the core, nothing else.
