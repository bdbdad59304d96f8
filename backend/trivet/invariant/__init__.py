"""Live promises, one a file: what must hold in the database at any time, checked while the system runs."""
