"""Hands for what does not ask by itself: engines and clusters are brought to what the policy of their backend wants."""
