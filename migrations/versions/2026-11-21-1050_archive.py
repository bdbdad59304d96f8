"""What retention has written away and dropped.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "c5f2a8b34e93"
down_revision = "b7e4d9186c02"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("picos", sa.Numeric(38, 0), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "day", name=op.f("pk_archive")),
    )
    op.create_table(
        "kept_since",
        sa.Column("grain_s", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("grain_s", name=op.f("pk_kept_since")),
    )


def downgrade() -> None:
    op.drop_table("kept_since")
    op.drop_table("archive")
