"""Row-level security: somebody of one tenant reads that tenant's rows alone, also where a query forgets to say so.

The role `trivet_tenant` reads, and reads only: tables that hold rows of tenants under a policy, the others as they are,
and those that hold secrets or other people not at all. The product's own login keeps passing every policy, as its owner.
A partition is read through its parent, so it is granted to nobody. A table that a later migration adds is closed to the
role until that migration opens it.
"""

import sqlalchemy as sa
from alembic import op

revision = "d5a000017100"
down_revision = "d5a000017000"
branch_labels = None
depends_on = None

ROLE = "trivet_tenant"
OWN = "tenant_id = current_setting('trivet.tenant')::int"
OWN_OR_ALL = "tenant_id IN (0, current_setting('trivet.tenant')::int)"
POLICIES = {
    **dict.fromkeys(
        (
            "alert", "anomaly", "api_key", "balance_day", "budget_over", "cache_lookup", "command", "end_user", "entry",
            "interrupted_request", "policy_seen", "prompt_blocks", "quantity", "request", "reservation", "reservation_use", "rollup_10s",
            "rollup_1h", "rollup_1m", "running_call", "score", "signal_delta", "signal_rollup", "signal_series",
            "spend_delta", "tenant_cost_centre", "tenant_proof", "tool", "usage_delta",
        ),
        OWN,
    ),
    "tenant": "id = current_setting('trivet.tenant')::int",
    "budget_act": OWN_OR_ALL,  # 0: the whole scenario
    "desired_state": OWN_OR_ALL,  # 0: everybody
}  # fmt: skip
# Secrets, other people, what was said to them, and answers kept for others.
WITHHELD = (
    "alembic_version", "audit", "audit_check", "backend_webhook", "channel", "idempotency_key", "message", "message_attachment",
    "notice_delivery", "outbox", "sign_in_try", "signal_sample", "user_account", "web_session", "webhook_delivery",
)  # fmt: skip
KEY_COLUMNS = "id, name, tenant_id, scopes, created_at, revoked_at"  # of `api_key`: not the hash


def make_role() -> None:
    """Roles are of the whole server: another database may have made it, or be making it now."""
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
                CREATE ROLE {ROLE} NOLOGIN;
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'This login may not make the role {ROLE}, which keeps tenants apart.'
                    USING HINT = 'Let an administrator run: CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO ' || current_user;
        END $$
    """)
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT pg_has_role(current_user, '{ROLE}', 'MEMBER') THEN
                EXECUTE format('GRANT {ROLE} TO %I', current_user);
            END IF;
        EXCEPTION WHEN unique_violation THEN NULL;
        END $$
    """)


def tables(connection: sa.Connection) -> list[str]:
    """Every table of ours that is no partition."""
    query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    return list(connection.execute(sa.text(f"{query} AND relnamespace = 'public'::regnamespace ORDER BY 1")).scalars())


def upgrade() -> None:
    make_role()
    op.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    op.execute(f"GRANT SELECT ({KEY_COLUMNS}) ON api_key TO {ROLE}")
    for table in tables(op.get_bind()):
        if table not in {*WITHHELD, "api_key"}:
            op.execute(f"GRANT SELECT ON {table} TO {ROLE}")
    for table, rows in POLICIES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_rows ON {table} FOR SELECT TO {ROLE} USING ({rows})")


def downgrade() -> None:
    for table in POLICIES:
        op.execute(f"DROP POLICY own_rows ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table in tables(op.get_bind()):
        op.execute(f"REVOKE ALL ON {table} FROM {ROLE}")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {ROLE}")
