"""The real API as a process of its own, so that it can be killed like one."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

KEY = "tvt_test-" + "0" * 40
START_LIMIT_S = 40.0


class ApiProcess:
    """`uvicorn trivet.app:create_app` on a free port of this machine, with an admin key."""

    def __init__(self, database_url, data_dir, **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = os.environ | {
            "TRIVET_DATABASE_URL": database_url,
            "TRIVET_BOOTSTRAP_KEY": KEY,
            "TRIVET_SECRET_KEY": "tests",
            "TRIVET_DATA_DIR": str(data_dir),
        }
        self.environment |= environment
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end(signal.SIGTERM)

    def start(self):
        command = [sys.executable, "-m", "uvicorn", "--factory", "trivet.app:create_app", "--port", str(self.port)]
        self.process = subprocess.Popen([*command, "--log-level", "warning"], env=self.environment)
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the API did not start")

    def end(self, number):
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        self.process.wait(20)

    def post(self, body, path="/v1/traces"):
        """(status, body, headers) of an export; raises OSError or HTTPException where there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-protobuf"}
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()
