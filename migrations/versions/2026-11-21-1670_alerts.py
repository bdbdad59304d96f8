"""Alerts: routes, silences, channels, deliveries; news that are joined.

Additive.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "d5a000016700"
down_revision = "d5a000016500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("severity_before", sa.Text(), nullable=True),
        sa.Column("severity_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("annotations", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=True),
        sa.Column("breach_id", sa.BigInteger(), nullable=True),
        sa.Column("command_id", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("unrouted", sa.Text(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index(op.f("ix_alert_breach_id"), "alert", ["breach_id"], unique=False)
    op.create_index(op.f("ix_alert_ended_at"), "alert", ["ended_at"], unique=False)
    op.create_index("ix_alert_unsettled", "alert", ["id"], unique=False, postgresql_where=sa.text("NOT settled"))
    op.create_index("uq_alert_open", "alert", ["key"], unique=True, postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "channel",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
        sa.UniqueConstraint("name", name=op.f("uq_channel_name")),
    )
    op.create_table(
        "maintenance",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("matchers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("weekdays", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("starts", sa.Time(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance")),
        sa.UniqueConstraint("name", name=op.f("uq_maintenance_name")),
    )
    op.create_table(
        "route",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("matchers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("group_by", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("group_wait_s", sa.Double(), nullable=False),
        sa.Column("group_interval_s", sa.Double(), nullable=False),
        sa.Column("repeat_s", sa.Double(), nullable=False),
        sa.Column("steps", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("goes_on", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route")),
        sa.UniqueConstraint("name", name=op.f("uq_route_name")),
    )
    op.create_table(
        "silence",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("matchers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expired_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silence")),
    )
    op.create_index(op.f("ix_silence_ends_at"), "silence", ["ends_at"], unique=False)
    op.create_table(
        "notice_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("alert_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name=op.f("fk_notice_delivery_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_delivery")),
        sa.UniqueConstraint("key", name=op.f("uq_notice_delivery_key")),
    )
    op.create_index(op.f("ix_notice_delivery_created_at"), "notice_delivery", ["created_at"], unique=False)
    op.create_index(
        "ix_notice_delivery_due",
        "notice_delivery",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'handed')"),
    )
    op.create_table(
        "notice",
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("route_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_severity", sa.Text(), nullable=True),
        sa.Column("told_firing", sa.Boolean(), nullable=True),
        sa.Column("steps", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_notice_alert_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["route_id"], ["route.id"], name=op.f("fk_notice_route_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert_id", "route_id", name=op.f("pk_notice")),
    )
    op.create_table(
        "notice_group",
        sa.Column("route_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["route_id"], ["route.id"], name=op.f("fk_notice_group_route_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("route_id", "key", name=op.f("pk_notice_group")),
    )
    op.add_column("message", sa.Column("topic", sa.Text(), server_default="", nullable=False))
    op.create_index(
        "ix_message_topic", "message", ["topic", "created_at"], unique=False, postgresql_where=sa.text("topic <> ''")
    )


def downgrade() -> None:
    op.drop_index("ix_message_topic", table_name="message", postgresql_where=sa.text("topic <> ''"))
    op.drop_column("message", "topic")
    op.drop_table("notice_group")
    op.drop_table("notice")
    op.drop_index(
        "ix_notice_delivery_due",
        table_name="notice_delivery",
        postgresql_where=sa.text("state IN ('queued', 'handed')"),
    )
    op.drop_index(op.f("ix_notice_delivery_created_at"), table_name="notice_delivery")
    op.drop_table("notice_delivery")
    op.drop_index(op.f("ix_silence_ends_at"), table_name="silence")
    op.drop_table("silence")
    op.drop_table("route")
    op.drop_table("maintenance")
    op.drop_table("channel")
    op.drop_index("uq_alert_open", table_name="alert", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_alert_unsettled", table_name="alert", postgresql_where=sa.text("NOT settled"))
    op.drop_index(op.f("ix_alert_ended_at"), table_name="alert")
    op.drop_index(op.f("ix_alert_breach_id"), table_name="alert")
    op.drop_table("alert")
