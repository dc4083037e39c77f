"""What searches of texts share: how a text is cut, how meaning and words become one score."""
