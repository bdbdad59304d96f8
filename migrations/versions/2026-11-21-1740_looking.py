"""Nothing yet."""

revision = "d5a000017400"
down_revision = "d5a000017300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
