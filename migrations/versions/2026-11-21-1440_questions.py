"""Business value, and anomalies of cost.

Additive: the release before this one keeps working while it runs.
"""

revision = "c41f0a77d1e7"
down_revision = "c41f0a77d1e6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
