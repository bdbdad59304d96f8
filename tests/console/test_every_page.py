"""What holds for every page alike: who may see it, both languages, its file, and that no name is ever more than a name."""

import csv
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from tests.console.conftest import PASSWORD
from tests.support import books
from tests.support.calls import call

from trivet import db
from trivet.console import places
from trivet.console.places import SECTIONS
from trivet.identity import service
from trivet.identity.models import ROLES
from trivet.kit.clock import utc_now

PLACES = [place for section in SECTIONS for place in section.places]
PATHS = [place.path for place in PLACES]
# Of what is no list: the settings of oneself, a page of steps.
NO_FILE = {"/", "/settings", "/connect", "/exports", "/jobs"}
NASTY = (
    '"><img src=x onerror=alert(1)>',
    "a hx-get=/x b",
    "{{7*7}}",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "=1+cmd|' /C calc'!A0",
)
# A spreadsheet runs what begins so, unless it is a number.
RUNS = re.compile(r"[=+\-@\t\r](?![\d.,]+$)")


@pytest.fixture
def enter(client):
    """`enter("viewer", tenant="acme")` -> the client, signed in."""

    def sign(role, tenant=None):
        email = f"{role}-{tenant or 'all'}@example.com"
        with db.transaction() as session:
            service.create_user(
                session, email=email, name=role, role=role, password=PASSWORD, actor="test", tenant=tenant
            )
        client.cookies.clear()
        answer = client.post("/sign-in", data={"email": email, "password": PASSWORD}, follow_redirects=False)
        assert answer.status_code == 303
        return client

    return sign


class TestWhoSeesWhat:
    @pytest.mark.parametrize("role", ROLES)
    def test_a_role_is_told_why_what_it_may_not_see(self, enter, role):
        """What is open is opened by the least of them, below."""
        client = enter(role)
        closed = [place.path for place in PLACES if not places.is_open(place, role, scoped=False)]
        assert {path: client.get(path).status_code for path in closed} == dict.fromkeys(closed, 403)

    def test_who_may_only_look_sees_every_place_that_is_open_to_all(self, enter):
        client = enter("viewer")
        opened = [place.path for place in PLACES if places.is_open(place, "viewer", scoped=False)]
        assert {path: client.get(path).status_code for path in opened} == dict.fromkeys(opened, 200)

    def test_somebody_of_one_tenant_sees_the_places_that_show_their_own_rows(self, enter):
        books.ingest(call(utc_now(), tenant="acme"), call(utc_now(), tenant="bolt-and-sons"))
        client = enter("viewer", tenant="acme")
        pages = {place.path: client.get(place.path) for place in PLACES}
        assert {path: page.status_code for path, page in pages.items()} == {
            place.path: 200 if place.own else 403 for place in PLACES
        }
        assert [path for path, page in pages.items() if "bolt-and-sons" in page.text] == []

    def test_the_rail_leads_nowhere_that_is_closed(self, enter):
        client = enter("viewer")
        page = client.get("/settings").text
        assert 'href="/people"' not in page and 'href="/tenants"' in page


class TestBothLanguages:
    def test_every_page_is_written_in_the_one_asked_for(self, enter):
        client = enter("admin")
        for path in PATHS:
            said = {tongue: client.get(path, headers={"Accept-Language": tongue}).text for tongue in ("en", "zh")}
            assert '<html lang="zh">' in said["zh"] and '<html lang="en">' in said["en"], path
            sentences = [page.split('id="sentence"', 1)[1].split("</h1>", 1)[0] for page in said.values()]
            assert sentences[0] != sentences[1], path


class TestFiles:
    def test_every_list_comes_as_csv_too(self, enter):
        client = enter("admin")
        wrong = {}
        for path in PATHS:
            if path in NO_FILE:
                continue
            answer = client.get(f"{path}.csv")
            if answer.status_code != 200 or not answer.headers["content-type"].startswith("text/csv"):
                wrong[path] = (answer.status_code, answer.headers.get("content-type"))
        assert wrong == {}


class Tags(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def hostile(client, admin):
    """Everything that can be named is named by somebody hostile."""
    now = utc_now()
    for n, name in enumerate(NASTY):
        post = lambda path, body: client.post(f"/api/v1/{path}", json=body, headers=admin)  # noqa: E731  # in this loop only
        post("tenants", {"name": name, "cost_centre": name})
        post("scenarios", {"name": name, "preset": "real-time-chat"})
        post("backends", {"name": name, "scenarios": [name]})
        start = "2026-11-01T00:00:00Z"
        post("pools", {"name": name, "gpu_type": name, "gpus": 1, "price_per_gpu_hour": "1", "currency": "USD",
                       "purchase": "on_demand", "effective_from": start})  # fmt: skip
        post("prices", {"model": name, "provider": name, "effective_from": start, "currency": "USD",
                        "per_million": {"input": "1", "output": "1"}})  # fmt: skip
        post("budgets", {"name": name, "scope": "tenant", "subject": name, "measure": "money", "currency": "USD",
                         "window": "month", "limit": "1"})  # fmt: skip
        post("keys", {"name": name, "scopes": ["read"]})
        post("users", {"email": f"n{n}@example.com", "name": name, "role": "viewer", "password": PASSWORD})
        post("commands", {"kind": "degrade", "scenario": name, "level": 1, "reason": name, "expires_in_s": 600})
        post(
            "silences",
            {"matchers": [f'scenario="{n}"'], "starts_at": start, "ends_at": "2026-12-01T00:00:00Z", "reason": name},
        )
        books.ingest(
            call(now, tenant=name, scenario=name, model=name, provider=name, backend=name, pool=name,
                 conversation_id=name, input_tokens=9)
        )  # fmt: skip


def markup(page: str) -> list[object]:
    """What of a page only a name that became markup could have brought there."""
    tags = Tags()
    tags.feed(page)
    attributes = [(name, value) for _, given in tags.found for name, value in given.items()]
    return [tag for tag, _ in tags.found if tag == "img"] + [
        (name, value) for name, value in attributes if name.startswith("on") or (name, value) == ("hx-get", "/x")
    ]


def links(page: str) -> dict[str, str]:
    """Where a page leads within the site: one link of each kind, and each that has a name of ours in it."""
    tags = Tags()
    tags.feed(page)
    found = {}
    for _, given in tags.found:
        url = given.get("href") or given.get("hx-get") or ""
        if url.startswith("/") and not url.startswith("/static"):
            found.setdefault(re.sub(r"\d+|[0-9a-f]{16,}|=[^&]*", "*", urlsplit(url).path), url)
    return found


class TestNames:
    def test_are_names_on_every_page_and_never_markup(self, hostile, enter):
        client = enter("admin")
        named, behind = 0, {}
        for path in PATHS:
            page = client.get(path)
            assert page.status_code == 200, path
            assert markup(page.text) == [], path
            named += "{{7*7}}" in page.text or "%7B%7B7" in page.text
            behind |= links(page.text)
        assert named > len(PATHS) // 3
        beyond = [url for url in behind.values() if urlsplit(url).path not in PATHS and ".csv" not in url]
        assert len(beyond) > 10
        for url in beyond:
            page = client.get(url)
            assert page.status_code < 500, url
            if page.headers["content-type"].startswith("text/html"):
                assert markup(page.text) == [], url

    def test_are_run_by_no_spreadsheet(self, hostile, enter):
        client = enter("admin")
        named, runs = 0, {}
        for path in PATHS:
            if path in NO_FILE:
                continue
            text = client.get(f"{path}.csv").text
            named += "calc'!A0" in text
            if cells := [cell for row in csv.reader(text.splitlines()) for cell in row if RUNS.match(cell)]:
                runs[path] = cells[:3]
        assert runs == {}
        assert named > 8

    def test_in_an_address_come_back_as_names(self, enter):
        client, name = enter("admin"), " ".join(NASTY)
        for path in (*PATHS, "/sign-in", "/search", "/nowhere", "/cards/x", "/requests/x"):
            asked = {"tenant": name, "scenario": name, "model": name, "backend": name, "q": name, "next": name,
                     "actor": name, "pool": name, "open": name, "kind": name, "session": name, "subject": name}  # fmt: skip
            page = client.get(path, params=asked)
            assert page.status_code < 500, path
            assert markup(page.text) == [], path
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"], path
