"""The page of alerts, and the runbooks that messages link to."""
