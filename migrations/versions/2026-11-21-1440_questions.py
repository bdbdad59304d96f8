"""Business value, anomalies of cost, and balances by cost centre.

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
    op.create_index(op.f("ix_business_value_month_kind_subject_id"), "business_value", ["month", "kind", "subject_id"])
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
    _balance_centre()


def _balance_centre() -> None:
    op.create_table(
        "balance_centre",
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("cost_centre_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("nobodys", sa.Boolean(), nullable=False),
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("purchase", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "period", "account", "cost_centre_id", "nobodys", "pool_id", "purchase", "currency",
            name=op.f("pk_balance_centre"),
        ),
    )  # fmt: skip
    # The ledger so far. A poster of the release before does not move balances: they are summed once it has stopped.
    op.execute("LOCK TABLE posting IN SHARE MODE")
    op.execute("""
        INSERT INTO balance_centre
        SELECT day, period, account, cost_centre_id, tenant_id = 0 AND cost_centre_id = 0, pool_id, purchase, currency,
            sum(amount)
        FROM balance_day GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    """)


def downgrade() -> None:
    op.drop_table("balance_centre")
    op.drop_table("anomaly")
    op.drop_table("business_value")
