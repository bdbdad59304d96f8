"""What `trivet up` runs on one machine: PostgreSQL and Redis out of their wheels, and a supervisor."""
