"""A thing of another tenant (bolt) for each operation that takes an id: its address. Who is of acme must not find it."""

from typing import Any
from urllib.parse import quote

from tests.support import books
from tests.support.calls import call

from trivet import db
from trivet.kit.clock import utc_now

ONE_CALL = {"model": "gpt-4o", "provider": "openai", "input_tokens": 10, "max_output_tokens": 10}


def interaction(client: Any, make_key: Any, admin: Any) -> str:
    """A conversation of bolt's."""
    del client, make_key, admin
    books.ingest(call(books.clock("07:30"), tenant="bolt", conversation_id="bolts-own", input_tokens=5))
    return "/api/v1/interactions/conversation/bolts-own"


def command(client: Any, make_key: Any, admin: Any) -> str:
    """A command for bolt alone."""
    del make_key
    client.post("/api/v1/scenarios", json={"name": "chat", "preset": "real-time-chat"}, headers=admin)
    client.post("/api/v1/tenants", json={"name": "bolt", "cost_centre": "CC-1"}, headers=admin)
    body = {"kind": "break", "scenario": "chat", "tenant": "bolt", "reason": "a test", "expires_in_s": 600}
    made = client.post("/api/v1/commands", json=body, headers=admin)
    assert made.status_code == 201, made.text
    return f"/api/v1/commands/{made.json()['id']}"


def budget(client: Any, make_key: Any, admin: Any) -> str:
    """A budget of bolt's."""
    del make_key
    client.post("/api/v1/tenants", json={"name": "bolt", "cost_centre": "CC-1"}, headers=admin)
    body = {
        "name": "bolts budget", "scope": "tenant", "subject": "bolt", "measure": "money", "currency": "USD",
        "window": "month", "limit": "10",
    }  # fmt: skip
    made = client.post("/api/v1/budgets", json=body, headers=admin)
    assert made.status_code == 201, made.text
    return f"/api/v1/budgets/{quote('bolts budget')}"


def reservation(act: str) -> Any:
    """Something done to a reservation of bolt's; `act` empty reads it."""

    def make(client: Any, make_key: Any, admin: Any) -> str:
        del admin
        own = {"Authorization": f"Bearer {make_key(['policy'], 'bolt')}"}
        made = client.post("/api/v1/reservations", json=ONE_CALL, headers=own)
        assert made.status_code == 201, made.text
        return f"/api/v1/reservations/{made.json()['id']}{act}"

    return make


def job(act: str) -> Any:
    """A job of bolt's."""

    def make(client: Any, make_key: Any, admin: Any) -> str:
        from trivet.job.models import Job
        from trivet.tenant.models import Tenant

        del client, make_key, admin
        with db.transaction() as session:
            tenant_id = db.named_ids(session, Tenant, ["bolt"])["bolt"]
            row = Job(
                kind="export", title="Bolt's costs", task="t", params={}, fingerprint=b"1", actor="b",
                tenant_id=tenant_id, state="done", created_at=utc_now(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            return f"/api/v1/jobs/{row.id}{act}"

    return make


CASES = {
    ("GET", "/api/v1/interactions/{kind}/{id}"): interaction,
    ("GET", "/api/v1/commands/{command_id}"): command,
    ("GET", "/api/v1/budgets/{name}"): budget,
    ("GET", "/api/v1/reservations/{reservation_id}"): reservation(""),
    ("POST", "/api/v1/reservations/{reservation_id}/extend"): reservation("/extend"),
    ("POST", "/api/v1/reservations/{reservation_id}/post"): reservation("/post"),
    ("POST", "/api/v1/reservations/{reservation_id}/void"): reservation("/void"),
    ("GET", "/api/v1/jobs/{job_id}"): job(""),
    ("POST", "/api/v1/jobs/{job_id}/stop"): job("/stop"),
    ("GET", "/api/v1/jobs/{job_id}/file"): job("/file"),
}
SCOPES = {case: ["policy"] for case in CASES if "/reservations/" in case[1]}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/v1/reservations/{reservation_id}/extend"): ONE_CALL,
    ("POST", "/api/v1/reservations/{reservation_id}/post"): {"tokens": 5},
}
