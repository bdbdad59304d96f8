"""What replay found to be normal of each guard.

Additive: the release before this one knows nothing of it and asks for as much evidence as theory does.
"""

import sqlalchemy as sa
from alembic import op

revision = "d5a000016300"
down_revision = "d5a000016200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guard_normal",
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("guard", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("enter", sa.Float(), nullable=False),
        sa.Column("usual", sa.Float(), nullable=True),
        sa.Column("widening", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("alarms", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name="fk_guard_normal_scenario_id"),
        sa.PrimaryKeyConstraint("scenario_id", "guard", name="pk_guard_normal"),
    )


def downgrade() -> None:
    op.drop_table("guard_normal")
