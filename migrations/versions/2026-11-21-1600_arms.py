"""A state that some conversations have: a level on the way back, a revision on trial.

Additive: the release before this one writes neither and keeps working.
"""

import sqlalchemy as sa
from alembic import op

revision = "d5a0000016e0"
down_revision = "c41f0a77d1e9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("desired_state", sa.Column("arm_level", sa.SmallInteger(), nullable=True))
    op.add_column("desired_state", sa.Column("arm_share", sa.Float(), nullable=True))
    op.add_column("command", sa.Column("share", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("command", "share")
    op.drop_column("desired_state", "arm_share")
    op.drop_column("desired_state", "arm_level")
