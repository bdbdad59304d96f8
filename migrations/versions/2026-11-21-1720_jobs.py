"""Nothing yet."""

revision = "d5a000017200"
down_revision = "d5a000017100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
