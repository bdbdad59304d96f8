"""Pages of what was proven: a breach with who carries it, drills, and the readiness of scenarios."""
