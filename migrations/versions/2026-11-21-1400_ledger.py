"""Balances by day, how capacity was bought, and which closed month a posting adjusts.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "c41f0a77d1e0"
down_revision = "c5f2a8b34e93"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("entry", sa.Column("purchase", sa.Text(), server_default="", nullable=False))
    op.add_column("posting", sa.Column("adjusts", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "balance_day",
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("cost_centre_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scenario_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pool_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("purchase", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "period", "account", "cost_centre_id", "tenant_id", "scenario_id", "model_id", "pool_id", "purchase",
            "currency", name=op.f("pk_balance_day"),
        ),
    )  # fmt: skip
    # The ledger so far. A poster of the release before does not move balances: they are summed once it has stopped.
    op.execute("LOCK TABLE posting IN SHARE MODE")
    op.execute("""
        INSERT INTO balance_day
        SELECT date_trunc('day', hour, 'UTC'), period, account, cost_centre_id, tenant_id, scenario_id, model_id, pool_id,
            purchase, currency, sum(amount)
        FROM entry JOIN posting ON posting.id = posting_id GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    """)


def downgrade() -> None:
    op.drop_table("balance_day")
    op.drop_column("posting", "adjusts")
    op.drop_column("entry", "purchase")
