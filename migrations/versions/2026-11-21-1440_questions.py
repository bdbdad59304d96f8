"""Business value, and anomalies of cost.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f0a77d1e7"
down_revision = "c41f0a77d1e6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "business_value",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("unit", sa.Text(), server_default="", nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(currency = '') <> (unit = '')", name=op.f("ck_business_value_money_or_units")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_business_value")),
    )
    op.create_index(
        op.f("ix_business_value_month_kind_subject_id"), "business_value", ["month", "kind", "subject_id"]
    )
    op.create_table(
        "anomaly",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("expected", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("score", sa.Numeric(precision=20, scale=2), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("drivers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), server_default="", nullable=False),
        sa.Column("acknowledged_reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("day", "tenant_id", "currency", name=op.f("pk_anomaly")),
    )


def downgrade() -> None:
    op.drop_table("anomaly")
    op.drop_table("business_value")
