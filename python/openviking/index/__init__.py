"""From vectors to nearest ids."""
