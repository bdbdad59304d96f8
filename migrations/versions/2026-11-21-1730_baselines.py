"""Baselines: how a scenario stood in a time that somebody froze.

Additive: the release before this one knows nothing of them. The rows only grow.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "d5a000017300"
down_revision = "d5a000017200"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "baseline",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("start", INSTANT, nullable=False),
        sa.Column("end", INSTANT, nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("measured", JSONB(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name=op.f("fk_baseline_scenario_id_scenario")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baseline")),
        sa.UniqueConstraint("scenario_id", "name", name=op.f("uq_baseline_scenario_id_name")),
    )
    op.create_index(op.f("ix_baseline_scenario_id_id"), "baseline", ["scenario_id", "id"])
    op.execute(
        "CREATE TRIGGER baseline_only_grows BEFORE UPDATE OR DELETE ON baseline "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_table("baseline")
