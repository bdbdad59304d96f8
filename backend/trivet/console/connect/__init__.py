"""Connect a backend: the exact configuration, a test call, and what of it arrived. `trivet connect` does the same."""
