"""How a change of policy reaches its backends.

Additive.
"""

import sqlalchemy as sa
from alembic import op

revision = "d5a000016500"
down_revision = "d5a000016400"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backend_poll", sa.Column("listening_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "backend_webhook",
        sa.Column("backend_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("told_etag", sa.Text(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["backend_id"], ["backend.id"], name=op.f("fk_backend_webhook_backend_id")),
        sa.PrimaryKeyConstraint("backend_id", name=op.f("pk_backend_webhook")),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("backend_id", sa.Integer(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["backend_id"], ["backend.id"], name=op.f("fk_webhook_delivery_backend_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
    )
    op.create_index(op.f("ix_webhook_delivery_backend_id_id"), "webhook_delivery", ["backend_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("webhook_delivery")
    op.drop_table("backend_webhook")
    op.drop_column("backend_poll", "listening_at")
