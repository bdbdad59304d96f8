"""What guards count, second by second.

Additive.
"""

revision = "d5a000016200"
down_revision = "d5a000016100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
