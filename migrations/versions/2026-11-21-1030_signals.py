"""Signals: what engines, caches and health say beside the requests.

GPU samples say how many values they stand for, and their sum, least and most, in place of one value. That is not additive:
the release before this one cannot write readings of GPUs once it has run; the rest goes on.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a3c1f0d25b71"
down_revision = "54fd275a5607"
branch_labels = None
depends_on = None

DIMENSIONS = ("tenant_id", "scenario_id", "model_id", "backend_id", "pool_id")
STATISTICS = ("total", "least", "most")


def _dimensions() -> list[sa.Column]:
    ids = [sa.Column(name, sa.Integer(), nullable=False) for name in DIMENSIONS]
    return [*ids, sa.Column("metric", sa.Text(), nullable=False), sa.Column("detail", sa.Text(), nullable=False)]


def _measures() -> list[sa.Column]:
    return [
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("least", sa.Double(), nullable=True),
        sa.Column("most", sa.Double(), nullable=True),
        sa.Column("last", sa.Double(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("histogram", sa.LargeBinary(), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "signal_series",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        *_dimensions(),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_total", sa.Double(), nullable=True),
        sa.Column("last_samples", sa.BigInteger(), nullable=True),
        sa.Column("last_buckets", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_series")),
        sa.UniqueConstraint("identity", name=op.f("uq_signal_series_identity")),
    )
    op.create_index(op.f("ix_signal_series_key_id"), "signal_series", ["key_id"])
    op.create_index(op.f("ix_signal_series_seen_on"), "signal_series", ["seen_on"])
    op.create_index(op.f("ix_signal_series_metric"), "signal_series", ["metric"])
    op.create_table(
        "signal_sample",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("sampled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("least", sa.Double(), nullable=True),
        sa.Column("most", sa.Double(), nullable=True),
        sa.Column("histogram", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("series_id", "sampled_at", name=op.f("pk_signal_sample")),
        postgresql_partition_by="RANGE (sampled_at)",
    )
    op.create_table(
        "signal_delta",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        *_dimensions(),
        *_measures(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_delta")),
    )
    op.create_index(op.f("ix_signal_delta_bucket"), "signal_delta", ["bucket"])
    op.create_table(
        "signal_rollup",
        sa.Column("grain_s", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        *_dimensions(),
        *_measures(),
        sa.PrimaryKeyConstraint("grain_s", "metric", "bucket", *DIMENSIONS, "detail", name=op.f("pk_signal_rollup")),
    )
    op.create_index(op.f("ix_signal_rollup_grain_s_bucket"), "signal_rollup", ["grain_s", "bucket"])
    op.add_column("gpu", sa.Column("parent", sa.Text(), server_default="", nullable=False))
    op.add_column("gpu", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("gpu_sample", sa.Column("samples", sa.Integer(), nullable=True))
    for name in STATISTICS:
        op.add_column("gpu_sample", sa.Column(name, sa.Double(), nullable=True))
    op.execute("UPDATE gpu_sample SET samples = 1, total = value, least = value, most = value")
    for name in ("samples", *STATISTICS):
        op.alter_column("gpu_sample", name, nullable=False)
    op.drop_column("gpu_sample", "value")


def downgrade() -> None:
    op.add_column("gpu_sample", sa.Column("value", sa.Double(), nullable=True))
    op.execute("UPDATE gpu_sample SET value = total / greatest(samples, 1)")
    op.alter_column("gpu_sample", "value", nullable=False)
    for name in (*reversed(STATISTICS), "samples"):
        op.drop_column("gpu_sample", name)
    op.drop_column("gpu", "seen_at")
    op.drop_column("gpu", "parent")
    op.drop_table("signal_rollup")
    op.drop_table("signal_delta")
    op.drop_table("signal_sample")
    op.drop_table("signal_series")
