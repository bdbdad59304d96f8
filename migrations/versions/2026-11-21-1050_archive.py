"""What retention has written away and dropped.

Additive: the release before this one keeps working while it runs.
"""

revision = "c5f2a8b34e93"
down_revision = "b7e4d9186c02"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
