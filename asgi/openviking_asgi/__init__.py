"""The HTTP front of OpenViking."""
