"""Budgets, what was spent of them, and the lines that were crossed; whom a tenant serves, as spans name them.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c41f0a77d1e5"
down_revision = "c41f0a77d1e4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tenant_id", sa.Integer(), server_default="0", nullable=False),
        sa.Column("scenario_id", sa.Integer(), server_default="0", nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
        sa.UniqueConstraint("name", name=op.f("uq_budget_name")),
    )
    op.create_table(
        "budget_seen",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("received_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_seen")),
    )
    op.create_table(
        "end_user",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_user")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_end_user_tenant_id_name")),
    )
    op.create_table(
        "spend_counter",
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("quarter", sa.DateTime(timezone=True), nullable=False),
        sa.Column("part_id", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject_id", "quarter", "part_id", "currency", name=op.f("pk_spend_counter")),
    )
    op.create_index(op.f("ix_spend_counter_quarter"), "spend_counter", ["quarter"], unique=False)
    op.create_table(
        "spend_delta",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("quarter", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("end_user_id", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spend_delta")),
    )
    op.create_table(
        "budget_over",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("budget_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("limit", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("command_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["budget_id"], ["budget.id"], name=op.f("fk_budget_over_budget_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_over")),
        sa.UniqueConstraint("budget_id", "what", name=op.f("uq_budget_over_budget_id_what")),
    )
    op.create_index(op.f("ix_budget_over_budget_id_seen_at"), "budget_over", ["budget_id", "seen_at"], unique=False)
    op.create_table(
        "budget_over_day",
        sa.Column("budget_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("over", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.ForeignKeyConstraint(["budget_id"], ["budget.id"], name=op.f("fk_budget_over_day_budget_id")),
        sa.PrimaryKeyConstraint("budget_id", "day", name=op.f("pk_budget_over_day")),
    )
    op.create_table(
        "budget_terms",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("budget_id", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("limit", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("lines", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("way_back", sa.Text(), nullable=False),
        sa.Column("owners", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("unknown_price", sa.Text(), nullable=False),
        sa.Column("unreachable", sa.Text(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["budget_id"], ["budget.id"], name=op.f("fk_budget_terms_budget_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_terms")),
        sa.UniqueConstraint("budget_id", "effective_from", name=op.f("uq_budget_terms_budget_id_effective_from")),
    )
    op.create_table(
        "budget_window",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("budget_id", sa.Integer(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("interaction", sa.Text(), server_default="", nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("limit", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("spent", sa.Numeric(precision=38, scale=12), server_default="0", nullable=False),
        sa.Column("held", sa.Numeric(precision=38, scale=12), server_default="0", nullable=False),
        sa.Column("own", sa.Numeric(precision=38, scale=12), server_default="0", nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unpriced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("gaps", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("basis", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["budget_id"], ["budget.id"], name=op.f("fk_budget_window_budget_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_window")),
        sa.UniqueConstraint(
            "budget_id",
            "subject_id",
            "interaction",
            "starts_at",
            name=op.f("uq_budget_window_budget_id_subject_id_interaction_starts_at"),
        ),
    )
    op.create_index(op.f("ix_budget_window_ends_at"), "budget_window", ["ends_at"], unique=False)
    op.create_index(
        "ix_budget_window_new", "budget_window", ["id"], unique=False, postgresql_where="refreshed_at IS NULL"
    )
    op.create_table(
        "budget_foreign",
        sa.Column("window_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.ForeignKeyConstraint(["window_id"], ["budget_window.id"], name=op.f("fk_budget_foreign_window_id")),
        sa.PrimaryKeyConstraint("window_id", "currency", "day", name=op.f("pk_budget_foreign")),
    )
    op.create_table(
        "budget_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("window_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("limit", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("spent", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("held", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("crossed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("breached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("commanded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["window_id"], ["budget_window.id"], name=op.f("fk_budget_line_window_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_line")),
        sa.UniqueConstraint("window_id", "line", "limit", name=op.f("uq_budget_line_window_id_line_limit")),
    )
    op.create_index(op.f("ix_budget_line_crossed_at"), "budget_line", ["crossed_at"], unique=False)
    op.create_index(
        "ix_budget_line_standing", "budget_line", ["id"], unique=False, postgresql_where="hard AND returned_at IS NULL"
    )
    op.create_table(
        "budget_act",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("command_id", sa.BigInteger(), nullable=True),
        sa.Column("returned_by", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["budget_line.id"], name=op.f("fk_budget_act_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_act")),
        sa.UniqueConstraint(
            "line_id", "scenario_id", "tenant_id", name=op.f("uq_budget_act_line_id_scenario_id_tenant_id")
        ),
    )
    op.add_column("request", sa.Column("end_user_id", sa.Integer(), nullable=True))
    # What was used so far, so that a budget made for this month knows it: by the hour, of tenants and scenarios. Of keys
    # and end users nothing was kept to count from; theirs begin here.
    op.execute("""
        INSERT INTO spend_counter (kind, subject_id, quarter, part_id, currency, requests, tokens, unpriced, cost)
        SELECT 0, tenant_id, date_trunc('hour', bucket, 'UTC'), scenario_id, currency, sum(requests - rejections),
            sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens + reasoning_tokens),
            sum(unpriced_requests), sum(cost)
        FROM (
            SELECT bucket, tenant_id, scenario_id, currency, requests, rejections, input_tokens, output_tokens,
                cache_read_tokens, cache_write_tokens, reasoning_tokens, unpriced_requests, cost
            FROM rollup_1h WHERE bucket >= now() - interval '40 days'
            UNION ALL
            SELECT bucket, tenant_id, scenario_id, currency, requests, rejections, input_tokens, output_tokens,
                cache_read_tokens, cache_write_tokens, reasoning_tokens, unpriced_requests, cost
            FROM usage_delta
        ) AS used GROUP BY 2, 3, 4, 5
    """)


def downgrade() -> None:
    op.drop_column("request", "end_user_id")
    op.drop_table("budget_act")
    op.drop_index("ix_budget_line_standing", table_name="budget_line", postgresql_where="hard AND returned_at IS NULL")
    op.drop_index(op.f("ix_budget_line_crossed_at"), table_name="budget_line")
    op.drop_table("budget_line")
    op.drop_table("budget_foreign")
    op.drop_index("ix_budget_window_new", table_name="budget_window", postgresql_where="refreshed_at IS NULL")
    op.drop_index(op.f("ix_budget_window_ends_at"), table_name="budget_window")
    op.drop_table("budget_window")
    op.drop_table("budget_terms")
    op.drop_table("budget_over_day")
    op.drop_index(op.f("ix_budget_over_budget_id_seen_at"), table_name="budget_over")
    op.drop_table("budget_over")
    op.drop_table("spend_delta")
    op.drop_index(op.f("ix_spend_counter_quarter"), table_name="spend_counter")
    op.drop_table("spend_counter")
    op.drop_table("end_user")
    op.drop_table("budget_seen")
    op.drop_table("budget")
