"""Pages of trade-off cards: which scenarios have one and how they stand, and one card with its history."""
