"""What each breach took and cost; drills, their steps and when they come back.

Additive: the release before this one knows nothing of them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "d5a000016800"
down_revision = "d5a000016700"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
MONEY = sa.Numeric(38, 12)
LEVELS = sa.ARRAY(sa.SmallInteger())


def times() -> None:
    op.create_table(
        "breach_times",
        sa.Column("breach_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("guard", sa.Text(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("began_at", INSTANT, nullable=True),
        sa.Column("detected_at", INSTANT, nullable=False),
        sa.Column("command_id", sa.BigInteger(), nullable=True),
        sa.Column("acted_at", INSTANT, nullable=True),
        sa.Column("observed_at", INSTANT, nullable=True),
        sa.Column("effective_at", INSTANT, nullable=True),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("recovered_at", INSTANT, nullable=True),
        sa.Column("requests_under", sa.BigInteger(), nullable=False),
        sa.Column("saved", MONEY, nullable=True),
        sa.Column("saved_low", MONEY, nullable=True),
        sa.Column("saved_high", MONEY, nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("saved_words", sa.Text(), nullable=False),
        sa.Column("lost", sa.Float(), nullable=True),
        sa.Column("lost_low", sa.Float(), nullable=True),
        sa.Column("lost_high", sa.Float(), nullable=True),
        sa.Column("lost_words", sa.Text(), nullable=False),
        sa.Column("computed_at", INSTANT, nullable=False),
        sa.Column("again_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["breach_id"], ["breach.id"], name=op.f("fk_breach_times_breach_id")),
        sa.PrimaryKeyConstraint("breach_id", name=op.f("pk_breach_times")),
    )
    op.create_index(op.f("ix_breach_times_detected_at"), "breach_times", ["detected_at"])
    op.create_index(
        "ix_breach_times_due", "breach_times", ["again_at"], postgresql_where=sa.text("again_at IS NOT NULL")
    )


def drills() -> None:
    op.create_table(
        "drill",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("backend_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("ladder", sa.Text(), nullable=False),
        sa.Column("levels", LEVELS, nullable=False),
        sa.Column("hold_s", sa.Float(), nullable=False),
        sa.Column("patience_s", sa.Float(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("before", JSONB(), nullable=False),
        sa.Column("record", JSONB(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("schedule_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["backend_id"], ["backend.id"], name=op.f("fk_drill_backend_id")),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name=op.f("fk_drill_scenario_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill")),
    )
    op.create_index(op.f("ix_drill_scenario_id_id"), "drill", ["scenario_id", "id"])
    op.create_index(
        "uq_drill_running", "drill", ["scenario_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "drill_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("drill_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("command_id", sa.BigInteger(), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("observed_at", INSTANT, nullable=True),
        sa.Column("effective_at", INSTANT, nullable=True),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["drill_id"], ["drill.id"], name=op.f("fk_drill_step_drill_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_step")),
        sa.UniqueConstraint("drill_id", "position", name=op.f("uq_drill_step_drill_id_position")),
    )


def schedules() -> None:
    op.create_table(
        "drill_schedule",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("backend_id", sa.Integer(), nullable=False),
        sa.Column("levels", LEVELS, nullable=False),
        sa.Column("hold_s", sa.Float(), nullable=False),
        sa.Column("patience_s", sa.Float(), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("at", sa.Time(), nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["backend_id"], ["backend.id"], name=op.f("fk_drill_schedule_backend_id")),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name=op.f("fk_drill_schedule_scenario_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_schedule")),
    )
    standing = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_drill_schedule_standing", "drill_schedule", ["scenario_id", "backend_id"], unique=True, postgresql_where=standing
    )  # fmt: skip
    op.create_index("ix_drill_schedule_due", "drill_schedule", ["next_at"], postgresql_where=standing)


def upgrade() -> None:
    times()
    drills()
    schedules()


def downgrade() -> None:
    for table in ("drill_schedule", "drill_step", "drill", "breach_times"):
        op.drop_table(table)
