"""The page of commands: who holds what, how each learns, and what became of the newest commands."""
