"""Imported bills and how they were matched.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f0a77d1e4"
down_revision = "c41f0a77d1e3"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(precision=38, scale=12)


def _now(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "bill",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("measured_as", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("invoice_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("by_period", sa.Boolean(), nullable=False),
        sa.Column("compared", sa.Boolean(), nullable=False),
        sa.Column("total", AMOUNT, nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("left_out", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spread", sa.Text(), server_default="apart", nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("replaces", sa.Integer(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        _now("created_at"),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("posted_by", sa.Text(), nullable=True),
        sa.Column("seen_posting", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("state IN ('imported', 'matched', 'posted', 'replaced')", name=op.f("ck_bill_state")),
        sa.CheckConstraint("spread IN ('apart', 'use')", name=op.f("ck_bill_spread")),
        sa.ForeignKeyConstraint(["replaces"], ["bill.id"], name=op.f("fk_bill_replaces")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill")),
        sa.UniqueConstraint("name", name=op.f("uq_bill_name")),
    )
    op.create_index(
        "uq_bill_sha256", "bill", ["sha256", "provider", "currency"], unique=True,
        postgresql_where="state <> 'replaced'",
    )  # fmt: skip
    op.create_table(
        "bill_alias",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("pool_id", sa.Integer(), nullable=True),
        sa.Column("rule", sa.Text(), server_default="", nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        _now("created_at"),
        sa.CheckConstraint("model_id IS NULL OR pool_id IS NULL", name=op.f("ck_bill_alias_one_target")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_bill_alias_model_id")),
        sa.ForeignKeyConstraint(["pool_id"], ["pool.id"], name=op.f("fk_bill_alias_pool_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_alias")),
        sa.UniqueConstraint("provider", "name", name=op.f("uq_bill_alias_provider_name")),
    )
    op.create_table(
        "bill_line",
        sa.Column("bill_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("alias_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Numeric(), nullable=True),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("places", sa.SmallInteger(), nullable=False),
        sa.Column("effective", AMOUNT, nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("correction", sa.Boolean(), nullable=False),
        sa.Column("covered", sa.Boolean(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alias_id"], ["bill_alias.id"], name=op.f("fk_bill_line_alias_id")),
        sa.ForeignKeyConstraint(["bill_id"], ["bill.id"], name=op.f("fk_bill_line_bill_id")),
        sa.PrimaryKeyConstraint("bill_id", "file", "number", "part", name=op.f("pk_bill_line")),
    )
    op.create_table(
        "bill_match",
        sa.Column("bill_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("pool_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("billed", AMOUNT, nullable=False),
        sa.Column("measured", AMOUNT, nullable=False),
        sa.Column("measured_in", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("billed_tokens", sa.Numeric(), nullable=True),
        sa.Column("measured_tokens", sa.BigInteger(), nullable=False),
        sa.Column("parts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["bill_id"], ["bill.id"], name=op.f("fk_bill_match_bill_id")),
        sa.PrimaryKeyConstraint("bill_id", "number", name=op.f("pk_bill_match")),
    )
    op.create_index(op.f("ix_bill_match_bill_id_day"), "bill_match", ["bill_id", "day"])
    op.create_table(
        "bill_format",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill_format")),
        sa.UniqueConstraint("name", name=op.f("uq_bill_format_name")),
    )


def downgrade() -> None:
    for table in ("bill_format", "bill_match", "bill_line", "bill_alias", "bill"):
        op.drop_table(table)
