"""Nothing yet."""

revision = "d5a000017000"
down_revision = "d5a000016800"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
