"""Jobs: long work, how far it is, and its files.

Additive: the release before this one knows nothing of them. Somebody of one tenant reads that tenant's alone.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "d5a000017200"
down_revision = "d5a000017100"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
ROLE = "trivet_tenant"
IS_OPEN = sa.text("state IN ('waiting', 'running')")
POLICIES = {
    "job": "tenant_id = current_setting('trivet.tenant')::int",
    "job_part": "job_id IN (SELECT id FROM job)",  # of those that the policy above shows
}


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "title", "task")),
        sa.Column("params", JSONB(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        *map(text, ("unit", "note", "problem", "url", "file_name", "media_type")),
        sa.Column("file_bytes", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        *(sa.Column(name, INSTANT) for name in ("started_at", "advanced_at", "ended_at", "stop_asked_at")),
        text("stop_asked_by"),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'stopped')", name=op.f("ck_job_state")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_job_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index("uq_job_open", "job", ["fingerprint"], unique=True, postgresql_where=IS_OPEN)
    op.create_index("ix_job_open", "job", ["id"], postgresql_where=IS_OPEN)
    op.create_index(op.f("ix_job_tenant_id_id"), "job", ["tenant_id", "id"])
    op.create_index(op.f("ix_job_ended_at"), "job", ["ended_at"])


def part() -> None:
    op.create_table(
        "job_part",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_part_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "name", "number", name=op.f("pk_job_part")),
    )


def upgrade() -> None:
    job()
    part()
    for table, rows in POLICIES.items():
        op.execute(f"GRANT SELECT ON {table} TO {ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_rows ON {table} FOR SELECT TO {ROLE} USING ({rows})")


def downgrade() -> None:
    op.drop_table("job_part")
    op.drop_table("job")
