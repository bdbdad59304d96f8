"""Drills, and what each breach cost.

Additive.
"""

revision = "d5a000016800"
down_revision = "d5a000016700"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
