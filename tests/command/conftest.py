"""A registered scenario, people's principals, and the real app behind a real socket for the policy client."""

import socket
import threading
import time

import pytest
import uvicorn

from trivet import db
from trivet.card import service as cards
from trivet.command import hub
from trivet.kit.clock import utc_now


class _Server(uvicorn.Server):
    async def shutdown(self, sockets=None):
        hub.here().end_streams()  # as `trivet.serve` does
        await super().shutdown(sockets)


@pytest.fixture
def chat(database):
    """Id of scenario `chat` with its preset as the active revision 1."""
    with db.transaction() as session:
        return cards.register(
            session, name="chat", preset_name="real-time-chat", criticality="core", actor="test", now=utc_now()
        )


@pytest.fixture
def server(database):
    """Address of the real app on a loopback socket."""
    from trivet.app import create_app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = _Server(uvicorn.Config(create_app(), log_level="warning", ws="none"))
    thread = threading.Thread(target=app.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not app.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the app did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    app.should_exit = True
    thread.join(10)
    listener.close()
