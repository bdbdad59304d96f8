"""The book in the database, filled from the real genai-prices package."""

import contextlib
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from trivet import db
from trivet.kit.errors import Conflict
from trivet.outbox import Outbox
from trivet.pricing import catalogue, service
from trivet.pricing.models import Model, Price
from trivet.pricing.rate import Tokens, canonical, cost_picos

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)


def priced(provider, model, at=NOW):
    with db.transaction() as session:
        service.on_first_sight(session, [(provider, model)], now=NOW)
        return service.book(session).price_at(provider, model, "", at)


def add(session, effective_from, price="1", **other):
    values = {"provider": "openai", "model": "gpt-4o-mini", "pool": "", "currency": "USD", "actor": "t"} | other
    rates = canonical({"input": price, "output": price})
    return service.add_price(session, effective_from=effective_from, rates=rates, **values)


@pytest.mark.usefixtures("database")
class TestFirstSight:
    def test_gpt_4o_mini_costs_what_its_list_says(self):
        line = priced("openai", "gpt-4o-mini")
        assert line.currency == "USD"
        # 1,000 x 0.15 + 400 x 0.075 + 200 x 0.60 = 150 + 30 + 120 = 300 per million
        assert cost_picos(Tokens(input=1000, cache_read=400, output=200), line.rates) == 300_000_000

    def test_a_dated_model_name_finds_its_model(self):
        line = priced("anthropic", "claude-sonnet-4-5-20250929")
        # 1,000 x 3 + 1,000 x 15 = 18,000 per million
        assert cost_picos(Tokens(input=1000, output=1000), line.rates) == 18_000_000_000

    def test_long_context_tiers_come_over(self):
        line = priced("gcp.gemini", "gemini-2.5-pro")
        assert cost_picos(Tokens(input=200_000), line.rates) == 250_000_000_000  # x 1.25
        assert cost_picos(Tokens(input=200_001), line.rates) == 500_002_500_000  # x 2.50

    @pytest.mark.parametrize(
        ("provider", "model"),
        [
            ("x_ai", "grok-4"),
            ("gcp.gen_ai", "gemini-2.5-pro"),
            ("gcp.vertex_ai", "gemini-2.5-pro"),
            ("azure.ai.openai", "gpt-4o"),
            ("azure.ai.inference", "gpt-4o"),
            ("aws.bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
            ("mistral_ai", "mistral-large-latest"),
            ("groq", "llama-3.3-70b-versatile"),
            ("cohere", "command-r"),
            ("litellm", "openai/gpt-4o"),
        ],
    )
    def test_providers_are_found_by_the_names_that_spans_use(self, provider, model):
        assert priced(provider, model) is not None

    def test_prices_with_start_dates_become_dated_rows(self):
        dated = next(_with_several_prices())
        found = catalogue.find(*dated, NOW)
        assert len(found) > 1
        for each in found:
            line = priced(*dated, at=each.effective_from)
            assert [[start, str(price)] for start, price in line.rates.input] == each.rates["input"]

    @pytest.mark.parametrize(
        ("provider", "model"),
        [
            ("nobody", "gpt-4o"),
            ("", "gpt-oss-120b"),  # an open model: who served it, and at what price, nobody said
            ("openai", "no-such-model"),
            ("deepseek", "deepseek-chat"),  # by time of day
            ("perplexity", "sonar"),  # by request as well
        ],
    )
    def test_what_cannot_be_said_exactly_stays_a_gap(self, provider, model):
        assert priced(provider, model) is None

    def test_the_source_names_the_package_and_its_version(self):
        priced("openai", "gpt-4o-mini")
        with db.transaction() as session:
            assert session.scalars(select(Price.source)).all() == ["genai-prices 0.2.3"]

    def test_a_model_that_a_person_priced_is_left_alone(self):
        with db.transaction() as session:
            add(session, NOW)
            assert service.on_first_sight(session, [("openai", "gpt-4o-mini")], now=NOW) == 0

    def test_threads_that_meet_a_model_at_once_add_it_once(self):
        pairs = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5")]
        ids, together = [], threading.Barrier(8)

        def meet(order):
            together.wait()
            with db.transaction() as session:
                ids.append(service.model_ids(session, pairs[::order]))
                service.on_first_sight(session, pairs[::order], now=NOW)

        threads = [threading.Thread(target=meet, args=(order,)) for order in (1, -1) * 4]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert len(ids) == 8 and all(each == ids[0] for each in ids)
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Model)) == 3
            keys = session.execute(select(Price.provider, Price.model, Price.effective_from)).all()
        assert len(keys) == len(set(keys)) >= 3


def _with_several_prices():
    for provider in catalogue.get_snapshot().providers:
        for model in provider.models:
            if len(catalogue.find(provider.id, model.id, NOW)) > 1:
                yield provider.id, model.id


@pytest.mark.usefixtures("database")
class TestBook:
    def test_it_is_read_once_and_anew_when_a_price_is_added(self):
        priced("openai", "gpt-4o-mini")
        with db.transaction() as session:
            first, second = service.book(session), service.book(session)
            assert first is second
            add(session, NOW)
            assert service.book(session).price_at("openai", "gpt-4o-mini", "", NOW).id != 1

    def test_a_price_that_was_rolled_back_is_forgotten(self):
        with contextlib.suppress(ZeroDivisionError), db.transaction() as session:
            add(session, NOW)
            assert service.book(session).price_at("openai", "gpt-4o-mini", "", NOW)
            raise ZeroDivisionError
        with db.transaction() as session:
            assert service.book(session).price_at("openai", "gpt-4o-mini", "", NOW) is None

    def test_a_price_that_commits_after_a_newer_one_is_seen(self):
        with db.transaction() as late:
            add(late, NOW, model="a")
            late.flush()
            with db.transaction() as early:
                early.add(_row("b"))
            with db.transaction() as reader:
                assert service.book(reader).price_at("openai", "b", "", NOW)
        with db.transaction() as reader:
            assert service.book(reader).price_at("openai", "a", "", NOW)


def _row(model):
    rates = canonical({"input": "1", "output": "1"})
    return Price(provider="openai", model=model, effective_from=NOW, currency="USD", rates=rates, source="", author="")


@pytest.mark.usefixtures("database")
class TestAdding:
    def test_sends_what_was_unpriced_to_be_priced(self):
        with db.transaction() as session:
            row_id = add(session, NOW).id
        with db.transaction() as session:
            sent = session.execute(select(Outbox.task, Outbox.args)).all()
        assert sent == [("ingest.price_unpriced", [row_id])]

    def test_a_second_price_for_the_same_instant_is_refused(self):
        with db.transaction() as session:
            add(session, NOW)
        with pytest.raises(Conflict, match="never edited"), db.transaction() as session:
            add(session, NOW, price="2")
