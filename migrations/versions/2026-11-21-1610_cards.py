"""Trials, schedules and reviews of cards.

Additive.
"""

revision = "d5a000016100"
down_revision = "d5a0000016e0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
