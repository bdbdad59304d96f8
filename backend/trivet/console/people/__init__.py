"""Pages about people: yourself, everybody, keys, the audit chain."""
