"""What guards count, second by second.

Additive: the release before this one counts nothing and judges by histograms as it did.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "d5a000016200"
down_revision = "d5a000016100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guard_limit",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("scenario_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("over_us", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["scenario_id"], ["scenario.id"], name="fk_guard_limit_scenario_id"),
        sa.PrimaryKeyConstraint("id", name="pk_guard_limit"),
        sa.UniqueConstraint("scenario_id", "kind", "over_us", name="uq_guard_limit_scenario_id_kind_over_us"),
    )
    op.create_table(
        "guard_tally",
        sa.Column(
            "xid", sa.BigInteger(), server_default=sa.text("(pg_current_xact_id()::text)::bigint"), nullable=False
        ),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("xid", "id", name="pk_guard_tally"),
    )
    op.create_index("ix_guard_tally_received_at", "guard_tally", ["received_at"])
    op.add_column("guard_state", sa.Column("numbers", JSONB(), nullable=True))
    op.add_column("guard_state", sa.Column("shadow", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("breach", sa.Column("numbers", JSONB(), nullable=True))
    op.add_column("breach", sa.Column("shadow", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("breach", "shadow")
    op.drop_column("breach", "numbers")
    op.drop_column("guard_state", "shadow")
    op.drop_column("guard_state", "numbers")
    op.drop_table("guard_tally")
    op.drop_table("guard_limit")
