"""Kinds of pool capacity, what their idle time is, and how each hour was split.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f0a77d1e2"
down_revision = "c41f0a77d1e1"
branch_labels = None
depends_on = None

AMOUNTS = (
    "purchase_price", "residual", "commitment_cost", "power_price_per_kwh", "pue", "watts_per_gpu", "operations_per_month",
    "price_per_unit_hour", "work_per_unit_hour", "load_test_tokens_per_gpu_hour", "planned_utilisation",
)  # fmt: skip
COUNTS = ("amortisation_months", "commitment_months", "units", "max_concurrency")
TEXTS = {"price_source": "term", "idle_policy": "apart", "headroom_policy": "spread_use"}


def upgrade() -> None:
    for name in AMOUNTS:
        op.add_column("pool_term", sa.Column(name, sa.Numeric(38, 12), nullable=True))
    for name in COUNTS:
        op.add_column("pool_term", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("pool_term", sa.Column("spread_from", sa.DateTime(timezone=True), nullable=True))
    for name, default in TEXTS.items():
        op.add_column("pool_term", sa.Column(name, sa.Text(), server_default=default, nullable=False))
    _interruptions()
    _splits()
    _interrupted()


def _interruptions() -> None:
    op.create_table(
        "pool_interruption",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("interrupted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gpus", sa.Integer(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pool.id"], name=op.f("fk_pool_interruption_pool_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool_interruption")),
        sa.UniqueConstraint("pool_id", "interrupted_at", name=op.f("uq_pool_interruption_pool_id_interrupted_at")),
    )


def _splits() -> None:
    op.create_table(
        "pool_hour_split",
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("purchase", "currency", "method", "evidence")),
        *(sa.Column(f"{state}_us", sa.BigInteger(), nullable=False) for state in ("used", "headroom", "idle", "down")),
        *(sa.Column(name, sa.Numeric(38, 12), nullable=False) for name in ("cost", "used", "headroom", "idle", "down")),
        sa.Column("prefill", sa.Numeric(38, 12), nullable=True),
        sa.Column("decode", sa.Numeric(38, 12), nullable=True),
        sa.Column("parts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("gaps", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("work", sa.Numeric(), nullable=False),
        sa.Column("capacity_work", sa.Numeric(), nullable=True),
        sa.Column("energy_kwh", sa.Numeric(38, 12), nullable=True),
        sa.Column("idle_policy", sa.Text(), nullable=False),
        sa.Column("headroom_policy", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pool.id"], name=op.f("fk_pool_hour_split_pool_id")),
        sa.PrimaryKeyConstraint("pool_id", "hour", "starts_at", name=op.f("pk_pool_hour_split")),
    )
    op.create_index(op.f("ix_pool_hour_split_hour"), "pool_hour_split", ["hour"])


def _interrupted() -> None:
    op.create_table(
        "interrupted_request",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trace_id", sa.Uuid(), nullable=False),
        sa.Column("span_id", sa.BigInteger(), nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cost", sa.Numeric(38, 12), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("work", sa.Numeric(), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pool.id"], name=op.f("fk_interrupted_request_pool_id")),
        sa.PrimaryKeyConstraint("tenant_id", "started_at", "trace_id", "span_id", name=op.f("pk_interrupted_request")),
    )
    op.create_index(op.f("ix_interrupted_request_pool_id_hour"), "interrupted_request", ["pool_id", "hour"])


def downgrade() -> None:
    for table in ("interrupted_request", "pool_hour_split", "pool_interruption"):
        op.drop_table(table)
    for name in (*AMOUNTS, *COUNTS, "spread_from", *TEXTS):
        op.drop_column("pool_term", name)
