"""Prices of everything that is not a token, price tiers, contract discounts, rates of exchange.

Additive: the release before this one keeps working while it runs.
"""

revision = "c41f0a77d1e1"
down_revision = "c41f0a77d1e0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
