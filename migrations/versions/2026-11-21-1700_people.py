"""People of one tenant, sessions that rotate, sign-in elsewhere, one-time links, tries counted for all processes, the
verified part of the audit chain, and what is known of a key's use and end.

Additive.
"""

import sqlalchemy as sa
from alembic import op

revision = "d5a000017000"
down_revision = "d5a000016800"
branch_labels = None
depends_on = None

NEW = {
    "user_account": (
        ("tenant_id", sa.Integer(), None),
        ("provider_subject", sa.Text(), None),
        ("link_hash", sa.LargeBinary(), None),
        ("link_expires_at", sa.DateTime(timezone=True), None),
        ("last_seen_at", sa.DateTime(timezone=True), None),
    ),
    "web_session": (
        ("family", sa.Text(), ""),
        ("started_at", sa.DateTime(timezone=True), sa.func.now()),
        ("last_seen_at", sa.DateTime(timezone=True), None),
        ("rotates_at", sa.DateTime(timezone=True), sa.func.now()),
        ("replaced_at", sa.DateTime(timezone=True), None),
        ("browser", sa.Text(), ""),
    ),
    "api_key": (
        ("last_used_at", sa.DateTime(timezone=True), None),
        ("revoked_by", sa.Text(), None),
        ("revoked_reason", sa.Text(), None),
    ),
}
AUDITED = (("actor", "id"), ("action", "id"), ("at",))  # by whom, what was done, when


def upgrade() -> None:
    for table, columns in NEW.items():
        for name, kind, default in columns:
            op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=default))
    op.create_foreign_key(op.f("fk_user_account_tenant_id"), "user_account", "tenant", ["tenant_id"], ["id"])
    op.create_unique_constraint(op.f("uq_user_account_provider_subject"), "user_account", ["provider_subject"])
    op.create_unique_constraint(op.f("uq_user_account_link_hash"), "user_account", ["link_hash"])
    op.create_index(op.f("ix_web_session_user_id"), "web_session", ["user_id"])
    for columns in AUDITED:
        op.create_index(op.f(f"ix_audit_{'_'.join(columns)}"), "audit", list(columns))
    op.execute("UPDATE web_session SET family = encode(token_hash, 'hex')")
    op.create_table(
        "sign_in_try",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_try")),
    )
    op.create_index(op.f("ix_sign_in_try_began_at"), "sign_in_try", ["began_at"])
    op.create_table(
        "audit_check",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("verified_id", sa.BigInteger(), nullable=False),
        sa.Column("verified_hash", sa.LargeBinary(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broken_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_check")),
    )


def downgrade() -> None:
    op.drop_table("audit_check")
    op.drop_table("sign_in_try")
    for columns in AUDITED:
        op.drop_index(op.f(f"ix_audit_{'_'.join(columns)}"), "audit")
    op.drop_index(op.f("ix_web_session_user_id"), "web_session")
    op.drop_constraint(op.f("uq_user_account_link_hash"), "user_account")
    op.drop_constraint(op.f("uq_user_account_provider_subject"), "user_account")
    op.drop_constraint(op.f("fk_user_account_tenant_id"), "user_account")
    for table, columns in NEW.items():
        for name, _, _ in columns:
            op.drop_column(table, name)
