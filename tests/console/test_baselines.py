"""Baselines on their pages."""

import re
from datetime import timedelta
from html import unescape

import pytest
from tests.support.calls import call, ingest
from tests.support.governed import register

from trivet.kit.clock import utc_now


def text_of(page):
    return unescape(page.text).replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def owner(database, sign_in):
    register("chat")
    now = utc_now()
    ingest(*(call(now - timedelta(hours=20, seconds=s), seconds=2) for s in range(60)), now=now)
    ingest(*(call(now - timedelta(minutes=2, seconds=s), seconds=1) for s in range(60)), now=now)
    return sign_in("product_owner")


def given(page, **changes):
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    now = utc_now()
    form = {"scenario": "chat", "name": "before <b>", "since": f"{now - timedelta(hours=21):%Y-%m-%dT%H:%M}", "until": f"{now - timedelta(hours=19):%Y-%m-%dT%H:%M}", "reason": "a new model"}  # fmt: skip
    return form | {"csrf_token": token} | changes


class TestThePages:
    def test_teach_freeze_and_compare_with_now(self, owner):
        empty = owner.get("/baselines")
        assert "Nothing is frozen yet" in empty.text and "/api/v1/baselines" in empty.text
        made = owner.post("/baselines", data=given(empty), follow_redirects=False)
        assert made.status_code == 303 and made.headers["location"].startswith("/baselines/")
        page = owner.get(made.headers["location"])
        assert "P95 latency better by 50" in text_of(page) and "before <b>" not in page.text
        assert "Chat has 1 baseline" in text_of(owner.get("/baselines?scenario=chat"))
        lines = owner.get(f"{made.headers['location']}.csv").text.splitlines()
        assert lines[0].startswith("measure,before,after") and any(
            line.startswith("p95_latency_ms,2") for line in lines
        )
        assert owner.get("/baselines.csv").text.count("\n") == 2

    def test_a_refusal_keeps_what_was_typed(self, owner):
        page = owner.post("/baselines", data=given(owner.get("/baselines"), until="2099-01-01T00:00"))
        assert (
            page.status_code == 422 and "a time that is over" in page.text and 'value="before &lt;b&gt;"' in page.text
        )

    def test_who_only_looks_freezes_nothing(self, owner, sign_in):
        token = given(owner.get("/baselines"))
        viewer = sign_in("viewer")
        assert 'action="/baselines"' not in viewer.get("/baselines").text
        assert viewer.post("/baselines", data=token).status_code == 403
