"""Kinds of pool capacity, what their idle time is, and how each hour was split.

Additive: the release before this one keeps working while it runs.
"""

revision = "c41f0a77d1e2"
down_revision = "c41f0a77d1e1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
