"""Trials, schedules and reviews of cards.

Additive: a revision approved before this one was approved by two people.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d5a000016100"
down_revision = "d5a0000016e0"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("card_revision", sa.Column("solo", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for name, kind in (
        ("glass_broken_by", sa.Text()),
        ("glass_broken_at", WHEN),
        ("glass_reason", sa.Text()),
        ("reviewed_by", sa.Text()),
        ("reviewed_at", WHEN),
        ("review_words", sa.Text()),
    ):
        op.add_column("card_revision", sa.Column(name, kind, nullable=True))
    op.create_index(
        "ix_card_revision_owed", "card_revision", ["glass_broken_at"],
        postgresql_where=sa.text("glass_broken_at IS NOT NULL AND reviewed_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "solo_mode",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("on", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_solo_mode")),
    )
    op.create_table(
        "card_trial",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("against", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("shares", sa.ARRAY(sa.Float()), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("step_s", sa.Float(), nullable=False),
        sa.Column("minimum_sample", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("started_at", WHEN, nullable=False),
        sa.Column("step_since", WHEN, nullable=False),
        sa.Column("ended_at", WHEN, nullable=True),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name=op.f("fk_card_trial_scenario_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_trial")),
    )
    op.create_index(
        "ix_card_trial_running", "card_trial", ["scenario_id"], unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )  # fmt: skip
    op.create_index(op.f("ix_card_trial_scenario_id_id"), "card_trial", ["scenario_id", "id"])
    op.create_table(
        "card_schedule",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("ended_at", WHEN, nullable=True),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name=op.f("fk_card_schedule_scenario_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_schedule")),
    )
    op.create_index(
        "ix_card_schedule_waiting", "card_schedule", ["scenario_id"], unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )  # fmt: skip
    op.create_index("ix_card_schedule_due", "card_schedule", ["at"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index(op.f("ix_card_schedule_scenario_id_id"), "card_schedule", ["scenario_id", "id"])


def downgrade() -> None:
    op.drop_table("card_schedule")
    op.drop_table("card_trial")
    op.drop_table("solo_mode")
    op.drop_index("ix_card_revision_owed", "card_revision")
    for name in (
        "review_words",
        "reviewed_at",
        "reviewed_by",
        "glass_reason",
        "glass_broken_at",
        "glass_broken_by",
        "solo",
    ):
        op.drop_column("card_revision", name)
