"""Receivers: each reads one kind of source and returns values where a missing reading is absent."""
