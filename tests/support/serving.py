"""The real app behind a real socket, in a thread."""

import socket
import threading
import time
from contextlib import contextmanager

import uvicorn

from trivet.command import hub

START_LIMIT_S = 60.0


class _Server(uvicorn.Server):
    async def shutdown(self, sockets=None):
        hub.here().end_streams()  # as `trivet.serve` does
        await super().shutdown(sockets)


@contextmanager
def serving(app):
    """Its address, until the block is left."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + START_LIMIT_S
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the app did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
