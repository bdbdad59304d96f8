"""Importing price lists: shown first, entered once, beneath what people entered."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.bound import bound_headers

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.errors import Conflict
from trivet.pricing import service
from trivet.pricing.importing import litellm
from trivet.pricing.importing import service as importing
from trivet.pricing.importing.offer import Offer, PriceList, Sold
from trivet.pricing.models import Price
from trivet.pricing.rate import canonical

FILE = Path(__file__).parent.parent / "data" / "prices" / "litellm-1.109.1-cut.json"
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
SECOND = FIRST + timedelta(days=10)


def listed(source="list 1", **models):
    """A list of OpenAI models, each by its input and output rate."""
    offers = [
        Offer(Sold("openai", model, ""), "USD", {"input": [[0, rate]], "output": [[0, "10"]]})
        for model, rate in sorted(models.items())
    ]
    return PriceList(source, tuple(offers))


def entered(model, price, at):
    with db.transaction() as session:
        service.add_price(
            session, provider="openai", model=model, pool="", effective_from=at, currency="USD",
            rates=canonical({"input": price, "output": "10"}), actor="finance",
        )  # fmt: skip


def run(offered, at, *, apply=True):
    with db.transaction() as session:
        return importing.enter(session, offered, at, "finance") if apply else importing.look(session, offered, at)


def rate(model, at):
    with db.transaction() as session:
        line = service.book(session).price_at("openai", model, "", at)
    return line and str(line.rates.input[0][1])


def rows():
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(Price))


@pytest.mark.usefixtures("database")
class TestPreview:
    def test_says_what_is_new_changed_by_how_much_and_unchanged(self):
        run(listed(a="2.50", b="1"), FIRST)
        seen = run(listed("list 2", a="2.00", b="1.0", c="3"), SECOND, apply=False)
        assert dict(seen.counts) == {"new": 1, "changed": 1, "unchanged": 1, "overridden": 0, "unsayable": 0}
        (changed,) = seen.of("changed")
        assert {(m.kind, m.old, m.new, m.percent) for m in changed.moves} == {
            ("input", Decimal("2.50"), Decimal(2), Decimal("-20.0"))
        }
        assert [(m.kind, m.old, m.new, m.percent) for m in seen.of("new")[0].moves] == [
            ("input", None, Decimal(3), None), ("output", None, Decimal(10), None),
        ]  # fmt: skip

    def test_a_kind_that_loses_its_own_price_moves_to_that_of_its_other(self):
        cached = {"input": [[0, "2"]], "output": [[0, "10"]], "cache_read": [[0, "1"]]}
        run(PriceList("list 0", (Offer(Sold("openai", "a", ""), "USD", cached),)), FIRST)
        (changed,) = run(listed(a="2"), SECOND, apply=False).of("changed")
        assert [(m.kind, m.old, m.new) for m in changed.moves] == [("cache_read", Decimal(1), Decimal(2))]

    def test_changes_nothing(self):
        run(listed(a="1"), FIRST, apply=False)
        assert rows() == 0


@pytest.mark.usefixtures("database")
class TestEntering:
    def test_makes_dated_rows_that_say_where_they_come_from(self):
        run(listed(a="1"), FIRST)
        run(listed("list 2", a="2"), SECOND)
        assert [rate("a", at) for at in (FIRST - timedelta(seconds=1), FIRST, SECOND)] == [None, "1", "2"]
        with db.transaction() as session:
            said = session.execute(select(Price.source, Price.author).order_by(Price.id)).all()
            audited = session.scalars(select(Audit).where(Audit.action == "price.import").order_by(Audit.id)).all()
        assert said == [("list 1", "finance"), ("list 2", "finance")]
        assert [(row.subject, row.after["changed"]) for row in audited] == [("prices:list 1", 0), ("prices:list 2", 1)]

    def test_twice_is_nothing(self):
        run(listed(a="1", b="2"), FIRST)
        again = run(listed(a="1", b="2"), SECOND)
        assert (again.counts["unchanged"], rows()) == (2, 2)

    def test_never_supersedes_a_persons_price_until_that_is_ended(self):
        run(listed(a="1"), FIRST)
        entered("a", "7", FIRST + timedelta(days=1))
        seen = run(listed("list 2", a="2"), SECOND)
        assert (seen.counts["changed"], seen.counts["overridden"]) == (1, 1)
        assert [rate("a", at) for at in (FIRST, SECOND, SECOND + timedelta(days=5))] == ["1", "7", "7"]
        with db.transaction() as session:
            service.end_override(
                session, provider="openai", model="a", pool="", tier="", effective_from=SECOND + timedelta(days=2),
                actor="finance",
            )  # fmt: skip
        assert [rate("a", SECOND + timedelta(days=n)) for n in (1, 2)] == ["7", "2"]

    def test_another_list_from_the_same_instant_is_refused_whole(self):
        run(listed(a="1"), FIRST)
        with pytest.raises(Conflict, match="1 of these models"):
            run(listed("list 2", a="2", b="3"), FIRST)
        assert rows() == 1

    def test_genai_prices_are_held_against_what_was_met(self):
        with db.transaction() as session:
            service.model_ids(session, [("openai", "gpt-4o-mini"), ("nobody", "m")])
            offered = importing.genai_prices(session, SECOND)
        assert run(offered, SECOND).counts["new"] == 1
        assert [each.name for each in offered.unsayable] == ["nobody/m"]
        assert rate("gpt-4o-mini", SECOND) == "0.15"


class TestOverRest:
    PATH = "/api/v1/prices/import"

    def post(self, client, headers, data, **asked):
        return client.post(self.PATH, params=asked, headers=headers, content=data)

    def test_the_file_is_shown_then_entered_then_nothing_is_left_to_do(self, client, admin):
        shown = self.post(client, admin, FILE.read_bytes()).json()
        assert (shown["new"], shown["unsayable"], shown["applied"], rows()) == (30, 3, False, 0)
        packed = gzip.compress(FILE.read_bytes())
        made = self.post(
            client, admin | {"Content-Encoding": "gzip"}, packed, apply=True, effective_from="2026-11-02T00:00:00Z"
        ).json()
        assert (made["new"], made["source"], rows()) == (30, litellm.read(FILE.read_bytes()).source, 30)
        again = self.post(client, admin, FILE.read_bytes(), apply=True, effective_from="2026-12-24T00:00:00Z").json()
        assert (again["new"], again["changed"], again["unchanged"], rows()) == (0, 0, 30, 30)

    def test_a_change_is_told_kind_by_kind(self, client, admin):
        cheap = {
            "litellm_provider": "openai",
            "mode": "chat",
            "input_cost_per_token": 4e-6,
            "output_cost_per_token": 1e-5,
        }
        self.post(client, admin, json.dumps({"m": cheap}), apply=True, effective_from="2026-11-01T00:00:00Z")
        dear = cheap | {"input_cost_per_token": 5e-6}
        (change,) = self.post(client, admin, json.dumps({"m": dear}), effective_from="2026-11-02T00:00:00Z").json()[
            "changes"
        ]
        assert change["moves"][0] == {
            "kind": "input", "from_input_tokens": 0, "old": "4", "new": "5", "percent": "25.0",
        }  # fmt: skip
        assert (change["provider"], change["model"], change["tier"], change["overridden"]) == (
            "openai",
            "m",
            None,
            False,
        )

    def test_what_is_no_list_or_not_gzipped_as_it_says_is_refused(self, client, admin):
        for data in (b"", b"no json", b"[]"):
            assert self.post(client, admin, data).status_code == 422
        for data in (b"{}", gzip.compress(b"{}")[:-9], b"\x1f\x8b" + bytes(40)):
            assert self.post(client, admin | {"Content-Encoding": "gzip"}, data).status_code == 422

    def test_a_tenants_key_imports_none(self, client, make_key):
        assert self.post(client, bound_headers(make_key, "finance"), b"{}").status_code == 403
