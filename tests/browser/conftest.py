"""A whole Trivet (`trivet up` on a free port), a serving backend that really polls, and a Chromium that looks at it.

All three are started once for this folder, and every file in it finds what the others have left: a file names what it
makes for itself alone. One that needs a Trivet of its own says so: it has its own `data_dir`, `trivet` and `gateway`
with `scope="module"`. The folder is a package, because fixtures of that scope end with it and not with the run.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.browser.gateway import Gateway
from tests.browser.trivet import Trivet

EMAIL, PASSWORD = "robin@example.com", "three legs stand"
KEY = "tvt_for-the-browser-tests"
START_LIMIT_S = 180.0
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_up(folder: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """`trivet up` and its address, once it answers."""
    port = free_port()
    settings = {"TRIVET_ADMIN_EMAIL": EMAIL, "TRIVET_ADMIN_PASSWORD": PASSWORD, "TRIVET_BOOTSTRAP_KEY": KEY}
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRIVET_")} | settings
    command = [sys.executable, "-m", "trivet.cli", "up", "--data-dir", str(folder), "--port", str(port), *options]
    command += ["--otlp-grpc-port", "0"]
    with (folder / "up.out").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, text=True, env=env)
    deadline = time.monotonic() + START_LIMIT_S
    while "ready in" not in (folder / "up.out").read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"trivet up did not start:\n{(folder / 'up.out').read_text()}")
        time.sleep(0.1)
    return process, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def data_dir() -> Iterator[Path]:
    """A folder that the database's own account may walk to, which pytest's is not when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="trivet-browser-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def trivet(data_dir: Path) -> Iterator[Trivet]:
    process, address = start_up(data_dir)
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}, timeout=10) as http:
        yield Trivet(address, http)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


@pytest.fixture(scope="package")
def company(trivet: Trivet) -> Trivet:
    """A cost centre with a tenant that pays."""
    trivet.post("tenants", {"name": "acme", "cost_centre": "CC-7"})
    return trivet


@pytest.fixture(scope="package")
def gateway(company: Trivet, data_dir: Path) -> Iterator[Gateway]:
    """One registered scenario, one backend that serves it; what it serves is the company's."""
    trivet = company
    trivet.post("scenarios", {"name": "support-chat", "preset": "real-time-chat"})
    trivet.post("backends", {"name": "gateway-1", "scenarios": ["support-chat"]})
    key = trivet.post("keys", {"name": "gateway-1", "tenant": None, "scopes": ["ingest", "policy"]})["key"]
    made = Gateway(trivet.address, key, data_dir / "policy.json")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with this folder: while it lives an event loop runs in this thread, which other tests would trip over."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    assert found, "No Chromium: name one in CHROMIUM, or install it: apt-get install chromium"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture
def allowed() -> list[str]:
    """Parts of console messages that a test brings about on purpose."""
    return []


@pytest.fixture
def page(browser: Browser, trivet: Trivet, allowed: list[str]) -> Iterator[Page]:
    """A fresh page that may not complain: an error in its console fails the test."""
    context = browser.new_context(
        base_url=trivet.address, viewport={"width": 1280, "height": 900}, timezone_id="Asia/Shanghai"
    )
    made = context.new_page()
    complaints: list[str] = []
    made.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    made.on("pageerror", lambda e: complaints.append(str(e)))
    yield made
    context.close()
    assert [c for c in complaints if not any(part in c for part in allowed)] == []


@pytest.fixture
def signed_in(page: Page) -> Page:
    """By the form's own address, without looking at the form: `test_money.py` signs in as people do."""
    answer = page.context.request.post("/sign-in", form={"email": EMAIL, "password": PASSWORD}, max_redirects=0)
    assert answer.status == 303
    page.goto("/")
    page.locator("#sentence").wait_for()
    return page
