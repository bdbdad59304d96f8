"""Alerts: routes, silences, channels, deliveries.

Additive.
"""

revision = "d5a000016700"
down_revision = "d5a000016600"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
