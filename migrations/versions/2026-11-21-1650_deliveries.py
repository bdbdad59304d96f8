"""How a change of policy reaches its backends.

Additive.
"""

revision = "d5a000016500"
down_revision = "d5a000016400"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
