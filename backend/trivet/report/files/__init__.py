"""Files of what reports say: CSV, workbooks, statements, FOCUS. Every figure comes from `costs` and `usage`."""
