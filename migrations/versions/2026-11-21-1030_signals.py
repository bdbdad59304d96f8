"""Signals: what engines, caches and health say beside the requests.

Additive: the release before this one keeps working while it runs.
"""

revision = "a3c1f0d25b71"
down_revision = "54fd275a5607"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
