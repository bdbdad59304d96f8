"""`make shots`: the demo at its peak as docs/overview.png, and every page, light and dark, wide and narrow, into shots/."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TooLong

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.browser.conftest import EMAIL, PASSWORD, start_up  # noqa: E402  # the path is set above

from trivet.console.places import SECTIONS  # noqa: E402  # as above

README = ROOT / "docs" / "overview.png"
FOLDER = ROOT / "shots"
PEAK_MS = 240_000
# The ladder has acted and the guard that made it act is still broken.
ACTED = """() => {
  const scenario = document.querySelector("#scenario-support-chat");
  const level = scenario?.querySelector(".level")?.textContent ?? "";
  return /Level [12]/.test(level) && scenario.querySelector(".verdict--breach, .level-2") && !scenario.matches(".scenario--before");
}"""
DRAWN = "() => [...document.querySelectorAll('trivet-chart')].every((chart) => chart.querySelector('canvas'))"
# What stands behind a list, as an address or as the link of its first row.
BEHIND = {
    "breach": ("/breaches", "main td a[href^='/breaches/']"), "card": ("/cards/support-chat", ""),
    "card-edit": ("/cards/support-chat/edit", ""), "command": ("/commands", "main a[href^='/commands/']"),
    "proof": ("/proofs", "main td a[href^='/proofs/']"), "request": ("/requests", "main td a[href^='/requests/']"),
    "receipt": ("/interactions", "main td a[href^='/interactions/']"),
    "give": ("/scenarios/support-chat/command?kind=degrade", ""), "postings": ("/costs/postings", ""),
    "route": ("/alerts/route", ""), "window": ("/alerts/maintenance", ""), "price": ("/prices/new", ""),
}  # fmt: skip
LOOKS = {
    "light-1280": {"color_scheme": "light", "width": 1280, "locale": "en-US"},
    "dark-1280": {"color_scheme": "dark", "width": 1280, "locale": "en-US"},
    "light-390": {"color_scheme": "light", "width": 390, "locale": "en-US"},
    "zh-1280": {"color_scheme": "light", "width": 1280, "locale": "zh-CN"},
}


def main() -> None:
    chromium = os.environ["CHROMIUM"]
    folder = Path(tempfile.mkdtemp(prefix="trivet-shots-"))
    folder.chmod(0o711)
    process, address = start_up(folder, "--demo")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            readme(browser, address)
            for look in LOOKS:
                take(browser, address, look)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def opened(browser: Browser, address: str, **options: object) -> Page:
    """A page of somebody who is signed in."""
    context = browser.new_context(base_url=address, timezone_id="Europe/Berlin", **options)  # type: ignore[arg-type]  # passed on
    context.request.post("/sign-in", form={"email": EMAIL, "password": PASSWORD}, max_redirects=0)
    return context.new_page()


def readme(browser: Browser, address: str) -> None:
    """Wait until the ladder has acted, then take the picture of the README."""
    page = opened(browser, address, viewport={"width": 1280, "height": 1010}, device_scale_factor=2)
    page.goto("/")
    page.wait_for_function(ACTED, timeout=PEAK_MS)
    page.screenshot(path=str(README))
    page.context.close()


def take(browser: Browser, address: str, look: str) -> None:
    """Every page in one look."""
    chosen = LOOKS[look]
    page = opened(
        browser, address, viewport={"width": chosen["width"], "height": 900}, color_scheme=chosen["color_scheme"],
        locale=chosen["locale"],
    )  # fmt: skip
    (FOLDER / look).mkdir(parents=True, exist_ok=True)
    for name, path in addresses(page):
        answer = page.goto(path)
        page.wait_for_timeout(400)  # fragments that load after their page
        with contextlib.suppress(TooLong):  # a picture of nothing is a picture too
            page.wait_for_function(DRAWN, timeout=5_000)
        file = FOLDER / look / f"{name}.png"
        page.screenshot(path=str(file), full_page=True)
        sys.stdout.write(f"{answer.status if answer else '?'} {file.relative_to(ROOT)}\n")
    page.context.close()


def addresses(page: Page) -> Iterator[tuple[str, str]]:
    """`(name, address)` of every place, and of one thing behind each list that has some."""
    for section in SECTIONS:
        for place in section.places:
            yield place.path.strip("/").replace("/", "-") or "overview", place.path
    for name, (path, link) in BEHIND.items():
        if not link:
            yield name, path
            continue
        page.goto(path)
        found = page.locator(link).first
        if found.count():
            yield name, found.get_attribute("href") or path


if __name__ == "__main__":
    main()
