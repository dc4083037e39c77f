"""What lasts: the Store interface and its implementations."""
