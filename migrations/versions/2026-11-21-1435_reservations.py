"""Reservations of budget.

Additive: the release before this one keeps working while it runs.
"""

import sqlalchemy as sa
from alembic import op

revision = "c41f0a77d1e6"
down_revision = "c41f0a77d1e5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reservation_use",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation_use")),
    )
    op.create_table(
        "reservation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("each_amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("posted_amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("used_amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("each_tokens", sa.BigInteger(), nullable=False),
        sa.Column("posted_tokens", sa.BigInteger(), nullable=False),
        sa.Column("used_tokens", sa.BigInteger(), nullable=False),
        sa.Column("each_requests", sa.BigInteger(), nullable=False),
        sa.Column("posted_requests", sa.BigInteger(), nullable=False),
        sa.Column("used_requests", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("posted_calls", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("end_user_id", sa.Integer(), nullable=False),
        sa.Column("teller_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("interaction", sa.Text(), nullable=False),
        sa.Column("unbounded", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
    )
    op.create_index(
        "ix_reservation_open", "reservation", ["expires_at"], unique=False, postgresql_where=sa.text("state = 0")
    )
    op.create_index(
        "ix_reservation_unsettled",
        "reservation",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(
        "ix_reservation_settled",
        "reservation",
        ["settled_at"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NOT NULL"),
    )
    op.create_table(
        "reservation_hold",
        sa.Column("reservation_id", sa.Uuid(), nullable=False),
        sa.Column("window_id", sa.BigInteger(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=38, scale=18), nullable=False),
        sa.Column("held", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservation.id"],
            name=op.f("fk_reservation_hold_reservation_id_reservation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("reservation_id", "window_id", name=op.f("pk_reservation_hold")),
    )
    op.create_index(op.f("ix_reservation_hold_window_id"), "reservation_hold", ["window_id"], unique=False)


def downgrade() -> None:
    op.drop_table("reservation_hold")
    op.drop_table("reservation")
    op.drop_table("reservation_use")
