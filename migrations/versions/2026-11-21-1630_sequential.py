"""What guards rest their verdicts on.

Additive.
"""

revision = "d5a000016300"
down_revision = "d5a000016200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
