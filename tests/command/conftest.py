"""A registered scenario, and people's principals."""

import pytest

from trivet import db
from trivet.card import service as cards
from trivet.kit.clock import utc_now


@pytest.fixture
def chat(database):
    """Id of scenario `chat` with its preset as the active revision 1."""
    with db.transaction() as session:
        return cards.register(
            session, name="chat", preset_name="real-time-chat", criticality="core", actor="test", now=utc_now()
        )
