//! Vector mathematics: no Python, no files, no clock.
