"""No form of the console does anything without the token of the session that looks, nor for a page of another site.

The addresses and their fields come from the site's own routes, so that a form that is added later is held too.
"""

import re
from functools import lru_cache

import pytest
from sqlalchemy import func, select

from trivet import db
from trivet.console.site import create_site
from trivet.identity.models import Audit

# Of somebody who has no session yet; what holds them is where the form comes from.
BEFORE_A_SESSION = {"/sign-in", "/sign-in/link/{token}"}
CHANGING = {"post", "put", "patch", "delete"}
KNOWN = {"name": "support-chat", "month": "2026-10", "step": "close", "currency": "USD", "day": "2026-11-20"}
FORGED = {"csrf_token": "of another session"}


@lru_cache
def told():
    """The site's own description, which it shows to nobody."""
    return create_site().openapi()


@lru_cache
def forms() -> dict[str, dict[str, str]]:
    """Every address that a form is sent to, with something in each field that it must have, the token left out."""
    return {
        path: _fields(act)
        for path, acts in told()["paths"].items()
        for method, act in acts.items()
        if method in CHANGING
    }


def _fields(act) -> dict[str, str]:
    for content in act.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        while "$ref" in schema:
            schema = told()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        wanted = {name: schema["properties"][name] for name in schema.get("required", ())}
        return {name: _value(field) for name, field in wanted.items() if name != "csrf_token"}
    return {}


def _value(field) -> str:
    return str(field.get("enum", [field.get("const", "1")])[0])


def address(path: str) -> str:
    """A route's address with something in each of its holes."""
    return re.sub(r"{(\w+)}", lambda hole: KNOWN.get(hole[1], "1"), path)


def changes() -> int:
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(Audit)) or 0


@pytest.fixture
def signed(sign_in, scenario):
    """An admin, and how many changes there were before."""
    client = sign_in("admin")
    return client, changes()


class TestEveryForm:
    def test_is_sent_by_post_and_there_are_many(self):
        methods = {m for acts in told()["paths"].values() for m in acts if m in CHANGING}
        assert methods == {"post"}
        assert len(forms()) > 50

    @pytest.mark.parametrize("token", [{}, FORGED], ids=["none", "of another session"])
    def test_without_the_token_of_its_session_changes_nothing(self, signed, token):
        client, before = signed
        within = {path: fields for path, fields in forms().items() if path not in BEFORE_A_SESSION}
        answers = {
            path: client.post(address(path), data=fields | token, follow_redirects=False).status_code
            for path, fields in within.items()
        }
        refused = {403} if token else {403, 422}
        assert {path: status for path, status in answers.items() if status not in refused} == {}
        assert changes() == before

    def test_sent_from_another_site_is_not_even_read(self, signed):
        client, before = signed
        answers = {
            path: client.post(address(path), data=fields, headers={"Sec-Fetch-Site": "cross-site"})
            for path, fields in forms().items()
        }
        assert {path: answer.status_code for path, answer in answers.items() if answer.status_code != 403} == {}
        assert all("frame-ancestors 'none'" in answer.headers["content-security-policy"] for answer in answers.values())
        assert changes() == before

    def test_of_somebody_who_is_not_signed_in_leads_to_the_door(self, client):
        within = {path: fields for path, fields in forms().items() if path not in BEFORE_A_SESSION}
        answers = {
            path: client.post(address(path), data=fields, follow_redirects=False) for path, fields in within.items()
        }
        led = {path: answer.headers.get("location", str(answer.status_code)) for path, answer in answers.items()}
        assert {path: where for path, where in led.items() if not where.startswith("/sign-in")} == {}
