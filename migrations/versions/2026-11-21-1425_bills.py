"""Imported bills and how they were matched.

Additive: the release before this one keeps working while it runs.
"""

revision = "c41f0a77d1e4"
down_revision = "c41f0a77d1e3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
