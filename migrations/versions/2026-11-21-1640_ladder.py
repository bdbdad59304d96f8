"""The way back by probe, a ladder that is frozen, who gives way first, where each ladder was, and regressions that passed.

Additive: the release before this one leaves the new columns as they are.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "d5a000016400"
down_revision = "d5a000016300"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def columns() -> list[sa.Column]:
    return [
        sa.Column("probe_share", sa.Float(), nullable=True),
        sa.Column("probe_since", INSTANT, nullable=True),
        sa.Column("failed", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("retry_at", INSTANT, nullable=True),
        sa.Column("raised_at", INSTANT, nullable=True),
        sa.Column("direction", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("turned_at", sa.ARRAY(INSTANT), server_default="{}", nullable=False),
        sa.Column("frozen_since", INSTANT, nullable=True),
        sa.Column("frozen_reason", sa.Text(), nullable=True),
        sa.Column("yields", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("yields_reason", sa.Text(), nullable=True),
        sa.Column("deferred_since", INSTANT, nullable=True),
        sa.Column("budget_zone", sa.Text(), nullable=True),
    ]


def upgrade() -> None:
    for column in columns():
        op.add_column("ladder_state", column)
    op.create_table(
        "ladder_move",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("level_from", sa.SmallInteger(), nullable=False),
        sa.Column("level_to", sa.SmallInteger(), nullable=False),
        sa.Column("share_from", sa.Float(), nullable=True),
        sa.Column("share_to", sa.Float(), nullable=True),
        sa.Column("direction", sa.SmallInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("guard", sa.Text(), nullable=True),
        sa.Column("breach_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name=op.f("fk_ladder_move_scenario_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ladder_move")),
    )
    op.create_index(op.f("ix_ladder_move_scenario_id_id"), "ladder_move", ["scenario_id", "id"])
    op.create_table(
        "regression",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name=op.f("fk_regression_scenario_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regression")),
    )
    op.create_index(op.f("ix_regression_scenario_id_id"), "regression", ["scenario_id", "id"])
    op.create_table(
        "shortage",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("calm_since", INSTANT, nullable=True),
        sa.Column("stepped_at", INSTANT, nullable=True),
        sa.Column("scenario_ids", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("yields", JSONB(), server_default="{}", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shortage")),
    )
    op.create_index(
        "uq_shortage_open", "shortage", ["kind", "subject"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )


def downgrade() -> None:
    for table in ("shortage", "regression", "ladder_move"):
        op.drop_table(table)
    for column in reversed(columns()):
        op.drop_column("ladder_state", column.name)
