"""Finance periods, the tree of cost centres, shared costs and their rules.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f0a77d1e3"
down_revision = "c41f0a77d1e2"
branch_labels = None
depends_on = None

# A poster at work on a month that is being closed at the same time: one of the two waits for the other's end.
ONLY_IN_OPEN_PERIOD = """
CREATE FUNCTION posting_in_open_period() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM period WHERE month >= NEW.period AND state = 'closing' ORDER BY month FOR SHARE;
    IF EXISTS (SELECT FROM period WHERE month >= NEW.period AND state = 'closed') THEN
        RAISE EXCEPTION 'period % is closed: nothing is booked into it', NEW.period USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""
STAYS_CLOSED = """
CREATE FUNCTION period_stays_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'period % is closed and stays closed', OLD.month USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    _periods()
    _cost_centres()
    _shared_costs()


def _periods() -> None:
    op.create_table(
        "period",
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_posting_id", sa.BigInteger(), nullable=True),
        sa.Column("totals", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("balances_hash", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'closing', 'closed')", name=op.f("ck_period_state")),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_by IS NOT NULL AND closed_at IS NOT NULL)", name=op.f("ck_period_closed_by")
        ),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_period")),
    )
    op.create_table(
        "balance_period",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("adjusts", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("borne_by", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.PrimaryKeyConstraint(
            "period", "adjusts", "account", "borne_by", "currency", name=op.f("pk_balance_period")
        ),
    )  # fmt: skip
    op.create_index(
        op.f("ix_posting_adjusts"), "posting", ["adjusts"], postgresql_where=sa.text("adjusts <> ''")
    )  # fmt: skip
    # The ledger so far. A poster of the release before does not move balances: they are summed once it has stopped.
    op.execute("LOCK TABLE posting IN SHARE MODE")
    op.execute("""
        INSERT INTO balance_period
        SELECT period, adjusts, account,
            CASE WHEN cost_centre_id <> 0 THEN 'cost_centre' WHEN tenant_id <> 0 OR account = 'unattributed' THEN 'tenant'
                ELSE 'nobody' END,
            currency, sum(amount)
        FROM entry JOIN posting ON posting.id = posting_id GROUP BY 1, 2, 3, 4, 5
    """)
    op.execute(ONLY_IN_OPEN_PERIOD)
    op.execute(
        "CREATE TRIGGER posting_in_open_period BEFORE INSERT ON posting "
        "FOR EACH ROW EXECUTE FUNCTION posting_in_open_period()"
    )
    op.execute(STAYS_CLOSED)
    op.execute(
        "CREATE TRIGGER period_stays_closed BEFORE UPDATE OR DELETE ON period "
        "FOR EACH ROW WHEN (OLD.state = 'closed') EXECUTE FUNCTION period_stays_closed()"
    )


def _cost_centres() -> None:
    op.add_column("cost_centre", sa.Column("code", sa.Text(), server_default="", nullable=False))
    op.add_column("cost_centre", sa.Column("owners", sa.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.create_table(
        "cost_centre_parent",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("cost_centre_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["cost_centre_id"], ["cost_centre.id"], name=op.f("fk_cost_centre_parent_cost_centre_id")
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["cost_centre.id"], name=op.f("fk_cost_centre_parent_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_centre_parent")),
        sa.UniqueConstraint(
            "cost_centre_id", "effective_from", name=op.f("uq_cost_centre_parent_cost_centre_id_effective_from")
        ),
    )


def _shared_costs() -> None:
    op.create_table(
        "shared_cost",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recurs", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shared_cost")),
        sa.UniqueConstraint("name", name=op.f("uq_shared_cost_name")),
    )
    dated = {
        "shared_cost_term": [
            sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
            sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
            sa.Column("currency", sa.Text(), nullable=False),
        ],
        "shared_cost_rule": [
            sa.Column("kind", sa.Text(), nullable=False),
            sa.Column("usage_of", sa.Text(), server_default="", nullable=False),
            sa.Column("shares", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        ],
    }
    for table, columns in dated.items():
        op.create_table(
            table,
            sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
            sa.Column("shared_cost_id", sa.Integer(), nullable=False),
            sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
            *columns,
            sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
            sa.ForeignKeyConstraint(["shared_cost_id"], ["shared_cost.id"], name=op.f(f"fk_{table}_shared_cost_id")),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_shared_cost_id"), table, ["shared_cost_id"])


def downgrade() -> None:
    for table in ("shared_cost_rule", "shared_cost_term", "shared_cost", "cost_centre_parent"):
        op.drop_table(table)
    op.drop_column("cost_centre", "owners")
    op.drop_column("cost_centre", "code")
    op.execute("DROP TRIGGER posting_in_open_period ON posting")
    op.drop_index(op.f("ix_posting_adjusts"), table_name="posting")
    op.drop_table("balance_period")
    op.drop_table("period")
    op.execute("DROP FUNCTION posting_in_open_period()")
    op.execute("DROP FUNCTION period_stays_closed()")
