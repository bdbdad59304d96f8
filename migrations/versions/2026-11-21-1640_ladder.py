"""The way back by probe, and a ladder that is frozen.

Additive.
"""

revision = "d5a000016400"
down_revision = "d5a000016300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
