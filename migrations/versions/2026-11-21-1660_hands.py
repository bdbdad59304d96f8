"""What drivers did.

Additive.
"""

revision = "d5a000016600"
down_revision = "d5a000016500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
