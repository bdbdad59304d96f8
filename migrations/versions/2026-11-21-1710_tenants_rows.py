"""Nothing yet."""

revision = "d5a000017100"
down_revision = "d5a000017000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
