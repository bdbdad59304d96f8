"""Prices of everything that is not a token, price tiers, contract discounts, rates of exchange.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "c41f0a77d1e1"
down_revision = "c41f0a77d1e0"
branch_labels = None
depends_on = None


def _who() -> list[sa.Column[object]]:
    return [
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("from_currency", sa.Text(), nullable=False),
        sa.Column("to_currency", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=30, scale=15), nullable=False),
        *_who(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_rate")),
        sa.UniqueConstraint(
            "from_currency",
            "to_currency",
            "effective_from",
            name=op.f("uq_exchange_rate_from_currency_to_currency_effective_from"),
        ),
    )


def downgrade() -> None:
    op.drop_table("exchange_rate")
