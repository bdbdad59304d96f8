"""The README's picture is the demo at its peak. `TRIVET_SHOTS=1 pytest tests/browser/test_readme.py` takes it anew."""

import os
import signal
import struct
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.browser.conftest import EMAIL, PASSWORD, start_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PICTURE = Path(__file__).parents[2] / "docs" / "overview.png"
PEAK_MS = 240_000
# The ladder has acted and the guard that made it act is still broken.
ACTED = """() => {
  const scenario = document.querySelector("#scenario-support-chat");
  const level = scenario?.querySelector(".level")?.textContent ?? "";
  return /Level [12]/.test(level) && scenario.querySelector(".verdict--breach, .level-2") && !scenario.matches(".scenario--before");
}"""


class TestThePicture:
    def test_it_is_there_and_as_wide_as_a_desk(self):
        head = PICTURE.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">I", head[16:20])[0] == 2560


if os.environ.get("TRIVET_SHOTS"):

    class TestTakingIt:
        def test_the_demo_at_its_peak(self, browser: Browser, data_dir: Path):
            process, address = start_up(data_dir, "--demo")
            try:
                take(browser, address)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)


def take(browser: Browser, address: str) -> None:
    """Wait until the ladder has acted, then take the picture."""
    context = browser.new_context(
        base_url=address, viewport={"width": 1280, "height": 1010}, device_scale_factor=2, timezone_id="Europe/Berlin"
    )
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_function(ACTED, timeout=PEAK_MS)
    page.screenshot(path=str(PICTURE))
    context.close()
