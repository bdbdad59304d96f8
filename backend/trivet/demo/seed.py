"""What the demo needs to find: people, keys, tenants, prices, a pool, a backend, cards. What is there already stays."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.command import service as commands
from trivet.demo import cards as demo_cards
from trivet.demo import history, money
from trivet.demo.backend import NAME as BACKEND
from trivet.demo.model import LARGE, SMALL
from trivet.demo.people import OPERATIONS, PEOPLE, PRODUCT, Person, password
from trivet.demo.telemetry import PROVIDER
from trivet.identity import service as identity
from trivet.identity.auth import person as principal_of
from trivet.kit.clock import floor, rfc3339, utc_now

ACTOR = "demo"
COST_CENTRES = {"acme": "CC-100 Retail", "globex": "CC-200 Logistics", "initech": "CC-300 Office"}
UNMAPPED = "walk-in"  # sends calls too; nobody has said who pays for it
POOL = {
    "name": SMALL.pool,
    "gpu_type": "L4",
    "gpus": 1,
    "price_per_gpu_hour": "0.38",
    "currency": "USD",
    "purchase": "on_demand",
    "load_test_tokens_per_gpu_hour": "4000000",
    "planned_utilisation": "0.5",
}
# The large model is metered by an API; the small one has the pool's standard rate.
PRICES: tuple[dict[str, Any], ...] = (
    {"model": LARGE.name, "per_million": {"input": "0.60", "output": "2.40", "cache_read": "0.06"}},
    {"model": SMALL.name, "pool": SMALL.pool, "per_million": {"input": "0.08", "output": "0.30", "cache_read": "0.02"}},
)
# What the large model cost until ten days before the first start: its price fell by a sixth.
BEFORE = {"model": LARGE.name, "per_million": {"input": "0.72", "output": "2.88", "cache_read": "0.072"}}
FELL_AGO = timedelta(days=10)
PAGES_MAX = 20


@dataclass(frozen=True)
class Keys:
    """The demo's own API keys: for the backend (ingest, policy), the judge of answers (ingest), the story (read)."""

    backend: str
    scorer: str
    story: str


SCOPES = {"backend": ["ingest", "policy"], "scorer": ["ingest"], "story": ["read"]}


def seed(endpoint: str, data_dir: Path, secret_key: str) -> Keys:
    """Everything in its place; the keys. Run twice it changes nothing."""
    with db.transaction() as session:
        for one in PEOPLE:
            _person(session, one, secret_key)
        keys = _keys(session, data_dir / "demo" / "keys.json")
    with _admin_client(endpoint) as client:
        _register(client)
    for scenario in demo_cards.SCENARIOS:
        _card(scenario)
    return keys


def remember(endpoint: str, data_dir: Path, keys: Keys) -> int:
    """Send the made-up past, once; how many calls. Broken off, it is sent again and counted once."""
    marker = data_dir / "demo" / "history.json"
    if not marker.exists():
        marker.write_text(json.dumps({"now": rfc3339(utc_now()), "calls": None}))
    told = json.loads(marker.read_text())
    if told["calls"] is None:
        told["calls"] = history.send(endpoint, keys.backend, datetime.fromisoformat(told["now"]))
        marker.write_text(json.dumps(told))
    with _admin_client(endpoint) as client:
        money.enter(client, data_dir, COST_CENTRES, datetime.fromisoformat(told["now"]))
    return int(told["calls"])


def _person(session: Session, one: Person, secret_key: str) -> None:
    if identity.find_user(session, one.email) is None:
        identity.create_user(
            session, email=one.email, name=one.name, role=one.role, password=password(secret_key, one), actor=ACTOR
        )


def _keys(session: Session, path: Path) -> Keys:
    """The kept keys where they still work; else new ones, kept so that only the owner of the file reads them."""
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    found = {
        name: kept[name]
        if name in kept and identity.find_key(session, kept[name])
        else identity.create_key(session, name=f"demo {name}", scopes=scopes, tenant=None, actor=ACTOR).secret
        for name, scopes in SCOPES.items()
    }
    keys = Keys(**found)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(keys), file)
    return keys


@contextmanager
def _admin_client(endpoint: str) -> Iterator[httpx.Client]:
    """A client with an admin key that lives as long as the block."""
    with db.transaction() as session:
        key = identity.create_key(session, name="demo seed", scopes=["admin"], tenant=None, actor=ACTOR)
    try:
        with httpx.Client(
            base_url=endpoint + "/api/v1", headers={"Authorization": f"Bearer {key.secret}"}, timeout=30
        ) as client:
            yield client
    finally:
        with db.transaction() as session:
            identity.revoke_key(session, key.id, actor=ACTOR, now=utc_now())


def _register(client: httpx.Client) -> None:
    now = utc_now()
    begin = rfc3339(history.first_hour(now))
    for tenant, cost_centre in COST_CENTRES.items():
        _ensure(client, "/tenants", {"name": tenant, "cost_centre": cost_centre})
    for scenario, (preset, criticality) in demo_cards.SCENARIOS.items():
        _ensure(client, "/scenarios", {"name": scenario, "preset": preset, "criticality": criticality})
    _ensure(client, "/pools", POOL | {"effective_from": begin})
    fell = rfc3339(floor(now - FELL_AGO, 86_400))
    if _ensure(client, "/prices", _price(BEFORE, begin), same=("provider", "model")):
        client.post("/prices", json=_price(PRICES[0], fell)).raise_for_status()
    for price in PRICES[1:]:
        _ensure(client, "/prices", _price(price, begin), same=("provider", "model"))
    _ensure(client, "/backends", {"name": BACKEND, "scenarios": list(demo_cards.SCENARIOS)})


def _price(price: dict[str, Any], start: str) -> dict[str, Any]:
    return {"provider": PROVIDER, "currency": "USD", "effective_from": start} | price


def _ensure(client: httpx.Client, path: str, body: dict[str, Any], same: tuple[str, ...] = ("name",)) -> bool:
    """POST what no registered item of the list has the same values of; whether it was made."""
    if any(item.get("registered_at", True) and all(item[k] == body[k] for k in same) for item in _items(client, path)):
        return False
    response = client.post(path, json=body)
    if response.status_code == httpx.codes.CONFLICT:
        return False
    response.raise_for_status()
    return True


def _items(client: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = client.get(path, params={"cursor": cursor} if cursor else {}).raise_for_status().json()
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _card(scenario: str) -> None:
    """The demo's own card after the preset's; and back from a bad revision that an ended story has left.

    What a visitor has activated since stays.
    """
    with db.transaction() as session:
        id_ = cards.scenario_named(session, scenario).id
        active = cards.active(session, [id_])[id_]
        if active.card.flags == demo_cards.BAD_FLAGS and active.previous_number is not None:
            reason = "the story ended before it was rolled back"
            commands.issue(session, kind="rollback", scenario_id=id_, reason=reason, actor=ACTOR, now=utc_now())
            active = cards.active(session, [id_])[id_]
        if active.number == 1:
            _enact(session, scenario, demo_cards.body(scenario), "limits that fit the simulated model", utc_now())


def enact(scenario: str, body: dict[str, Any], reason: str) -> int:
    """A new revision, written and approved for the product, approved for operations by another person, activated."""
    with db.transaction() as session:
        return _enact(session, scenario, body, reason, utc_now())


def _enact(session: Session, scenario: str, body: dict[str, Any], reason: str, now: datetime) -> int:
    # The generation's lock first, as every command takes it: the audit's, which `draft` takes, comes last everywhere.
    commands.lock_generation(session, cards.scenario_named(session, scenario).id, now, step=0)
    number = cards.draft(session, scenario=scenario, body=body, actor=PRODUCT.email, now=now).number
    cards.submit(session, scenario=scenario, number=number, actor=PRODUCT.email, now=now)
    for side, who in (("product", PRODUCT), ("operations", OPERATIONS)):
        cards.approve(session, scenario=scenario, number=number, side=side, principal=principal_of(who.email, who.role))
    commands.issue(
        session,
        kind="activate",
        scenario_id=cards.scenario_named(session, scenario).id,
        revision=number,
        reason=reason,
        actor=OPERATIONS.email,
        now=now,
    )
    return number
