"""Prices of everything that is not a token, price tiers, contract discounts, rates of exchange.

Additive: the release before this one keeps working while it runs. It knows neither tiers nor layers: enter prices of
other tiers, overrides and imports once every process is of this release.
"""

import sqlalchemy as sa
from alembic import op

revision = "c41f0a77d1e1"
down_revision = "c41f0a77d1e0"
branch_labels = None
depends_on = None


def _dated(table: str, *columns: sa.Column[object], key: str) -> None:
    """A table of dated rows with who entered them; `key` names their columns, from which their day is left out."""
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        *columns,
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(*key.split(), "effective_from", name=f"uq_{table}_dated"),
    )


def _text(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        *_text("from_currency", "to_currency"),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=30, scale=15), nullable=False),
        *_text("source", "author"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_rate")),
        sa.UniqueConstraint(
            "from_currency",
            "to_currency",
            "effective_from",
            name=op.f("uq_exchange_rate_from_currency_to_currency_effective_from"),
        ),
    )
    op.add_column("price", sa.Column("tier", sa.Text(), server_default="", nullable=False))
    op.add_column("price", sa.Column("layer", sa.SmallInteger(), server_default="0", nullable=False))
    op.execute("UPDATE price SET layer = 1 WHERE source = 'entered'")
    op.create_unique_constraint(
        "uq_price_dated", "price", ["provider", "model", "pool", "tier", "layer", "effective_from"]
    )
    op.drop_constraint("uq_price_provider_model_pool_effective_from", "price")
    op.add_column("request", sa.Column("tier", sa.Text(), nullable=True))
    _dated("price_end", *_text("provider", "model", "pool", "tier"), key="provider model pool tier")
    _dated(
        "discount",
        *_text("provider", "model", "pool", "source"),
        sa.Column("percent", sa.Numeric(precision=15, scale=12), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=True),
        key="provider model pool",
    )
    _dated(
        "gpu_price",
        *_text("gpu_type", "purchase", "region", "currency", "source"),
        sa.Column("price_per_hour", sa.Numeric(precision=38, scale=12), nullable=False),
        key="gpu_type purchase region",
    )
    _dated(
        "unit_price",
        *_text("unit", "name", "provider", "pool", "currency", "source"),
        sa.Column("price", sa.Numeric(precision=38, scale=12), nullable=False),
        key="unit name provider pool",
    )
    op.create_table(
        "quantity",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sender", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("tenant_id", "scenario_id", "model_id", "pool_id")
        ),
        *_text("unit", "name"),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_quantity_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quantity")),
        sa.UniqueConstraint("sender", "key", name="uq_quantity_told"),
    )
    op.create_index(op.f("ix_quantity_hour"), "quantity", ["hour"])
    op.create_table(
        "tool",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("pk_tool")),
    )


def downgrade() -> None:
    for table in ("tool", "quantity", "unit_price", "gpu_price", "discount", "price_end", "exchange_rate"):
        op.drop_table(table)
    op.drop_column("request", "tier")
    # What the release before cannot say: other tiers, and what was imported beneath what a person entered.
    op.execute("DELETE FROM price WHERE tier <> ''")
    op.execute("""
        DELETE FROM price p USING price o WHERE p.layer = 0 AND o.layer = 1 AND p.provider = o.provider
        AND p.model = o.model AND p.pool = o.pool AND p.effective_from = o.effective_from
    """)
    op.drop_constraint("uq_price_dated", "price")
    op.create_unique_constraint(
        op.f("uq_price_provider_model_pool_effective_from"), "price", ["provider", "model", "pool", "effective_from"]
    )
    op.drop_column("price", "layer")
    op.drop_column("price", "tier")
