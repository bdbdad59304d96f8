"""The sender of the benches ends by itself, however much it has to say."""

import socket
import threading

import pytest
from bench import load

PIPE_BYTES = 64 << 10  # more than a pipe holds
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def port():
    """Answers 200 to whatever comes on a connection."""

    def answer(connection):
        with connection:
            while connection.recv(1 << 20):
                connection.sendall(ANSWER)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed: the test is over
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


class TestASenderNobodyReads:
    def test_ends_when_its_time_is_over_though_it_says_more_than_a_pipe_holds(self, port):
        sender = load.start(port=port, connections=2, spans=1, seconds=2.0)
        sender.process.wait(60)
        result = load.finish(sender)
        assert len(str(result.waits_ms)) > PIPE_BYTES, "too few answers to prove anything"
        assert result.statuses == {"200": len(result.waits_ms)}
        assert result.spans == len(result.waits_ms)
