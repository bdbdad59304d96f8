"""Hard lines are of the terms that order them, and wait for what stands already.

Additive: the release before this one keeps working while it runs; a line it writes is acted on by it alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "c41f0a77d1e9"
down_revision = "c41f0a77d1e8"
branch_labels = None
depends_on = None

# The terms that held when a line was crossed, or the first of those before them that order the same.
_SINCE = """
    WITH run AS (
        SELECT t.id, t.budget_id, t.effective_from,
            sum(CASE WHEN t.same THEN 0 ELSE 1 END) OVER (PARTITION BY t.budget_id ORDER BY t.effective_from) AS run
        FROM (
            SELECT b.*, coalesce((b."limit", b.hard, b.action, b.level, b.ended) IS NOT DISTINCT FROM
                lag((b."limit", b.hard, b.action, b.level, b.ended)) OVER (
                    PARTITION BY b.budget_id ORDER BY b.effective_from), false) AS same
            FROM budget_terms b
        ) t
    ), first AS (
        SELECT DISTINCT ON (budget_id, run) budget_id, run, id FROM run ORDER BY budget_id, run, effective_from
    )
    UPDATE budget_line l SET acted_at = coalesce(l.commanded_at, l.returned_at), terms_id = coalesce((
        SELECT f.id FROM budget_window w JOIN run r ON r.budget_id = w.budget_id
        JOIN first f ON f.budget_id = r.budget_id AND f.run = r.run
        WHERE w.id = l.window_id AND r.effective_from <= l.crossed_at ORDER BY r.effective_from DESC LIMIT 1), 0)
    WHERE l.hard
"""


def upgrade() -> None:
    op.add_column("budget_line", sa.Column("terms_id", sa.Integer(), server_default="0", nullable=False))
    op.add_column("budget_line", sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("budget_act", sa.Column("waits", sa.Boolean(), server_default="false", nullable=False))
    op.drop_constraint(op.f("uq_budget_line_window_id_line_limit"), "budget_line", type_="unique")
    op.create_unique_constraint(
        op.f("uq_budget_line_window_id_line_limit_terms_id"), "budget_line", ["window_id", "line", "limit", "terms_id"]
    )
    op.execute(_SINCE)


def downgrade() -> None:
    op.execute("""
        DELETE FROM budget_act a USING budget_line l, budget_line o
        WHERE a.line_id = l.id AND o.window_id = l.window_id AND o.line = l.line AND o."limit" = l."limit" AND o.id > l.id
    """)
    op.execute("""
        DELETE FROM budget_line l USING budget_line o
        WHERE o.window_id = l.window_id AND o.line = l.line AND o."limit" = l."limit" AND o.id > l.id
    """)
    op.drop_constraint(op.f("uq_budget_line_window_id_line_limit_terms_id"), "budget_line", type_="unique")
    op.create_unique_constraint(
        op.f("uq_budget_line_window_id_line_limit"), "budget_line", ["window_id", "line", "limit"]
    )
    op.drop_column("budget_act", "waits")
    op.drop_column("budget_line", "acted_at")
    op.drop_column("budget_line", "terms_id")
