"""Calls still running, as their backends tell, and since when a scenario has had work in flight.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "b7e4d9186c02"
down_revision = "a3c1f0d25b71"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "running_call",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("trace_id", sa.Uuid(), nullable=False),
        sa.Column("span_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("backend_id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("answering", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "trace_id", "span_id", name=op.f("pk_running_call")),
        prefixes=["UNLOGGED"],
    )
    op.add_column("ladder_state", sa.Column("in_flight_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("ladder_state", "in_flight_since")
    op.drop_table("running_call")
