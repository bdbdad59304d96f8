"""What is imported once, what stands in the way of what, and what lines other than usage come to."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.bills import (
    MILLION,
    NOW,
    a_company,
    as_csv,
    bring_in,
    entries,
    fresh,
    post,
    row,
    settle,
    the_bill,
    three_days,
    used,
)
from tests.support.books import pool, price
from tests.support.books import post as post_hours
from tests.support.calls import call, ingest

from trivet import db
from trivet.bill import aliases, answers, check, service, tasks
from trivet.bill.models import Bill, BillLine
from trivet.identity.models import Audit
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.ledger import period_close
from trivet.ledger.models import PostedHour, Posting
from trivet.pricing import exchange

FILES = Path(__file__).parent.parent / "data" / "bills"


def causes(bill):
    with db.transaction() as session:
        return answers.parts_of(answers.rows_of(session, bill.id))


def bills():
    with db.transaction() as session:
        return list(session.scalars(select(Bill).order_by(Bill.id)))


def rate(source, target, value):
    with db.transaction() as session:
        exchange.add_rate(
            session, from_currency=source, to_currency=target, effective_from=date(2026, 1, 1), rate=Decimal(value),
            source="test", actor="finance",
        )  # fmt: skip


@pytest.mark.usefixtures("database")
class TestOnce:
    def test_the_same_bytes_are_the_same_bill(self):
        first = bring_in(as_csv(the_bill()))
        again = bring_in(as_csv(the_bill()), file_name="other.csv")
        assert [b.id for b in again] == [b.id for b in first]
        assert len(bills()) == 1

    def test_an_invoice_in_other_bytes_says_how_to_take_its_place(self):
        old = bring_in(as_csv(the_bill()))[0]
        with pytest.raises(Conflict, match=rf"INV-11 is on bill {old.id} already.*replaces={old.id}"):
            bring_in(as_csv(the_bill()[:-1]))
        assert len(bills()) == 1

    def test_days_compared_twice_are_refused(self):
        rows = [r | {"InvoiceId": ""} for r in the_bill()]
        old = bring_in(as_csv(rows))[0]
        with pytest.raises(Conflict, match=rf"Bill {old.id} covers 2026-11-01 to before 2026-11-20 of openai"):
            bring_in(as_csv(rows[:-1]))

    def test_beside_it_where_it_is_not_compared(self):
        bring_in(as_csv(the_bill()))
        beside = bring_in(as_csv([row(17, "9.00", InvoiceId="INV-12")]), compared=False)[0]
        assert (beside.total, beside.compared) == (Decimal("9.00"), False)

    def test_what_replaces_a_posted_bill_takes_its_postings_back(self):
        old = post(bring_in(as_csv(the_bill()))[0])
        assert entries(kind="bill")
        new = bring_in(as_csv(the_bill()[:-1]), replaces=old.id)[0]
        assert (fresh(old).state, new.state, new.replaces) == ("replaced", "matched", old.id)
        assert entries(kind="bill") == {}
        post(new)
        assert -sum(a for (account, *_), a in entries().items() if account == "supply.bill") == Decimal("9.59")

    def test_a_replaced_bill_cannot_be_posted_and_replaced_again(self):
        old = bring_in(as_csv(the_bill()))[0]
        bring_in(as_csv(the_bill()[:-1]), replaces=old.id)
        with pytest.raises(Conflict, match="was replaced"):
            post(old)
        with pytest.raises(Conflict, match="replaced already"):
            bring_in(as_csv(the_bill()[:-2]), replaces=old.id)

    def test_only_a_bill_of_the_same_provider_and_currency_is_replaced(self):
        old = bring_in(as_csv(the_bill()))[0]
        with pytest.raises(Conflict, match="is openai's in USD"):
            bring_in(as_csv([row(17, "1", ProviderName="Anthropic")]), replaces=old.id)
        with pytest.raises(NotFound):
            bring_in(as_csv([row(17, "1", ProviderName="Anthropic")]), replaces=999)

    def test_who_and_what_stand_in_the_audit(self):
        bill = post(bring_in(as_csv(the_bill()))[0])
        with db.transaction() as session:
            found = session.scalars(select(Audit).where(Audit.subject == f"bill:{bill.name}").order_by(Audit.id)).all()
        assert [(a.action, a.actor, a.after["total"]) for a in found] == [
            ("bill.import", "finance", "8.590000000000"),
            ("bill.post", "finance", "8.590000000000"),
        ]

    def test_progress_is_told_by_rows(self, monkeypatch):
        seen = []
        monkeypatch.setattr(service, "CHUNK", 5)
        bring_in(as_csv([row(17, "0.01", SkuId=str(n)) for n in range(6)]), progress=seen.append)
        assert seen == [5, 6]


@pytest.mark.usefixtures("database")
class TestSeveral:
    def test_each_currency_and_provider_is_a_bill_of_its_own(self):
        made = bring_in(as_csv([row(17, "1"), row(17, "2", BillingCurrency="EUR"), row(17, "4", ProviderName="AWS")]))
        assert [(b.provider, b.currency, b.total) for b in made] == [
            ("openai", "USD", 1), ("openai", "EUR", 2), ("aws", "USD", 4),
        ]  # fmt: skip

    def test_of_one_provider_s_currencies_the_one_with_models_has_what_was_measured(self):
        made = bring_in(as_csv([
            row(17, "9", ChargeCategory="Tax", BillingCurrency="EUR"), row(17, "2.50", "gpt-4o", "Input Tokens", MILLION),
        ]))  # fmt: skip
        assert {b.currency: b.compared for b in made} == {"EUR": False, "USD": True}

    def test_another_currency_of_days_compared_already_is_refused(self):
        bring_in(as_csv([row(17, "1")]))
        with pytest.raises(Conflict, match="what was measured counts once"):
            bring_in(as_csv([row(17, "1", BillingCurrency="EUR", InvoiceId="INV-12")]))

    def test_who_bills_must_be_told_where_the_file_does_not(self):
        rows = [row(17, "1", ProviderName="")]
        with pytest.raises(Invalid, match="name the provider"):
            bring_in(as_csv(rows))
        assert bring_in(as_csv(rows), provider="Solora")[0].measured_as == ["Solora"]


@pytest.mark.usefixtures("database")
class TestLines:
    def test_a_purchase_is_a_commitment_and_what_it_covers_is_billed_at_nothing(self):
        """Bought for 2.00; it covers 1 M input, which we have at 2.50: EffectiveCost is not looked at."""
        a_company()
        ingest(used("acme", 17, input_tokens=MILLION))
        settle()
        bill = bring_in(as_csv([
            row(17, "2.00", ChargeCategory="Purchase", EffectiveCost="0"),
            row(17, "0", "gpt-4o", "Input Tokens", MILLION, EffectiveCost="2.00", PricingCategory="Committed"),
        ]))[0]  # fmt: skip
        assert bill.total == Decimal("2.00")
        assert causes(bill) == {("commitment", ""): Decimal("2.00"), ("commitment", "input"): Decimal("-2.50")}

    def test_corrections_stand_on_their_day_and_are_compared_with_nothing(self):
        start = "2026-10-05T00:00:00Z"
        late = row(17, "-0.40", "gpt-4o", "Input Tokens", 1, ChargeClass="Correction", ChargePeriodStart=start)
        bill = post(bring_in(as_csv([row(17, "1.00", "gpt-4o", "Input Tokens", 1), late]))[0])
        assert causes(bill)["correction", "input"] == Decimal("-0.40")
        with db.transaction() as session:
            hours = session.scalars(select(Posting.hour).where(Posting.kind == "bill").order_by(Posting.hour)).all()
        assert [at.isoformat()[:10] for at in hours] == ["2026-10-05", "2026-11-17"]

    def test_lines_of_a_month_are_compared_as_one_stretch(self):
        a_company()
        three_days()
        months = {"ChargePeriodStart": "2026-11-01T00:00:00Z", "ChargePeriodEnd": "2026-12-01T00:00:00Z"}
        rows = [
            row(1, "7.50", "gpt-4o", "Input Tokens", 3 * MILLION, **months),
            row(1, "1.00", "gpt-4o", "Output Tokens", 100_000, **months),
        ]
        bill = post(bring_in(as_csv(rows), now=datetime(2026, 12, 3, tzinfo=UTC))[0])
        assert (bill.by_period, bill.starts_on, bill.ends_on) == (True, date(2026, 11, 1), date(2026, 12, 1))
        assert causes(bill) == {
            ("volume", "input"): Decimal("-0.30"),
            ("volume", "output"): Decimal("-0.60"),
        }  # of mini
        supplied = -sum(a for (account, *_), a in entries().items() if account.startswith("supply."))
        assert supplied == Decimal("8.50")

    def test_days_are_those_of_the_bill_s_zone(self):
        """07:00 UTC is still the day before in California; the posting stands at that day's first hour."""
        a_company()
        at = datetime(2026, 11, 18, 7, tzinfo=UTC)
        ingest(call(at, tenant="acme", provider="openai", model="gpt-4o", input_tokens=MILLION))
        settle()
        rows = [row(17, "3.00", "gpt-4o", "Input Tokens", MILLION, ChargePeriodStart="2026-11-18T07:00:00Z")]
        bill = post(bring_in(as_csv(rows), zone="America/Los_Angeles")[0])
        assert causes(bill) == {("price", "input"): Decimal("0.50")}
        with db.transaction() as session:
            (hour,) = session.scalars(select(Posting.hour).where(Posting.kind == "bill"))
        assert hour == datetime(2026, 11, 17, 8, tzinfo=UTC)

    @pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Asia/Kolkata"])
    def test_a_zone_that_does_not_exist_or_has_no_whole_hours_is_refused(self, zone):
        with pytest.raises(Invalid) as caught:
            bring_in(as_csv(the_bill()), zone=zone)
        assert caught.value.field == "zone"


@pytest.mark.usefixtures("database")
class TestCurrencies:
    ROWS = (row(17, "2.40", "gpt-4o", "Input Tokens", MILLION, BillingCurrency="EUR"),)

    def test_what_was_measured_is_converted_where_a_rate_exists(self):
        """2.50 USD at 0.80 are 2.00 EUR, 0.40 less than the bill."""
        a_company()
        rate("USD", "EUR", "0.8")
        ingest(used("acme", 17, input_tokens=MILLION))
        settle()
        assert causes(bring_in(as_csv(list(self.ROWS)))[0]) == {("price", "input"): Decimal("0.40")}

    def test_without_a_rate_that_is_said(self):
        a_company()
        ingest(used("acme", 17, input_tokens=MILLION))
        settle()
        assert causes(bring_in(as_csv(list(self.ROWS)))[0]) == {("no_rate", "input"): Decimal("2.40")}

    def test_no_two_are_added_the_bill_stands_in_its_own_and_the_other_is_taken_back(self):
        a_company()
        rate("USD", "EUR", "0.8")
        ingest(used("acme", 17, input_tokens=MILLION))
        settle()
        post(bring_in(as_csv(list(self.ROWS)))[0])
        supply = {}
        for (account, _, _, _, currency), amount in entries().items():
            if account.startswith("supply."):
                supply[currency] = supply.get(currency, 0) - amount
        assert supply == {"EUR": Decimal("2.40"), "USD": 0}


@pytest.mark.usefixtures("database")
class TestBeside:
    def test_a_file_of_tokens_alone_is_refused(self):
        with pytest.raises(Invalid, match="with this file beside it as usage"):
            bring_in((FILES / "anthropic-usage.csv").read_bytes())

    def test_beside_the_cost_export_it_explains_the_difference(self):
        """Anthropic, 16 November: cache writes that we saw no tokens for, and cents.

        A million tokens: input 3.00, cache read 0.30, cache write 3.75, output 15.00. Measured: 3,300 in 0.0099, 62.366 M
        read 18.7098, 0.201 M out 3.015. Billed 0.01, 18.71, 3.02 and 5.90 for 1.573 M written (5.89875 at our price),
        0.40 for searches: 28.04 to 21.7347.
        """
        price("anthropic", "claude-sonnet-4-5-20250929", input="3", output="15", cache_read="0.3", cache_write="3.75")
        at = datetime(2026, 11, 16, 12, tzinfo=UTC)
        model = {"provider": "anthropic", "model": "claude-sonnet-4-5-20250929"}
        ingest(call(at, **model, input_tokens=3_300, cache_read_tokens=62_366_000, output_tokens=201_000))
        settle()
        cost, usage = ((FILES / name).read_bytes() for name in ("anthropic-cost.csv", "anthropic-usage.csv"))
        bill = bring_in(cost, usage=usage)[0]
        assert (bill.total, bill.lines) == (Decimal("28.04"), 5)
        assert causes(bill) == {
            ("volume", "cache_write"): Decimal("5.89875"),
            ("rounding", "cache_write"): Decimal("0.00125"),
            ("rounding", "input"): Decimal("0.0001"),
            ("rounding", "cache_read"): Decimal("0.0002"),
            ("rounding", "output"): Decimal("0.005"),
            ("fee", ""): Decimal("0.40"),
        }

    def test_it_must_be_of_the_same_provider(self):
        cost, usage = ((FILES / name).read_bytes() for name in ("anthropic-cost.csv", "openai-usage.csv"))
        with pytest.raises(Invalid, match="is of openai, which the bill is not of"):
            bring_in(cost, usage=usage)


@pytest.mark.usefixtures("database")
class TestNames:
    def test_a_person_says_what_a_name_is_and_the_bill_is_compared_anew(self):
        a_company()
        three_days()
        bill = bring_in(as_csv(the_bill()))[0]
        with db.transaction() as session:
            service.say_alias(session, provider="openai", name="mystery", model="gpt-4o", pool=None, actor="f", now=NOW)
        found = causes(bill)
        assert ("unknown_model", "input") not in found
        # 0.33 for 1,000 tokens: 0.0025 at our price; the bill has not the other 999,000
        assert (found["volume", "input"], found["price", "input"]) == (Decimal("-2.4975"), Decimal("0.4275"))

    def test_a_posted_bill_is_corrected_by_the_task(self):
        a_company()
        three_days()
        bill = post(bring_in(as_csv(the_bill()))[0])
        with db.transaction() as session:
            service.say_alias(session, provider="openai", name="mystery", model="gpt-4o", pool=None, actor="f", now=NOW)
        assert tasks.rematch() == 1
        assert ("unknown_model", "input") not in causes(bill)
        assert -sum(a for (k, *_), a in entries().items() if k.startswith("supply.")) == bill.total

    def test_what_a_person_said_is_not_guessed_over(self):
        a_company()
        three_days()
        with db.transaction() as session:
            aliases.say(session, provider="OpenAI", name="gpt-4o-mini", model="gpt-4o", pool=None, actor="f")
        bring_in(as_csv(the_bill()))
        with db.transaction() as session:
            kept = session.scalars(select(aliases.BillAlias).where(aliases.BillAlias.name == "gpt-4o-mini")).one()
            model = session.get(aliases.Model, kept.model_id)
        assert (model.name, kept.rule, kept.author) == ("gpt-4o", "", "f")

    def test_a_model_no_call_was_to_is_refused(self):
        with db.transaction() as session, pytest.raises(NotFound, match="No call was to a model nope of openai"):
            aliases.say(session, provider="openai", name="x", model="nope", pool=None, actor="f")

    def test_hours_of_a_pool_are_compared_with_what_they_cost_in_the_ledger(self):
        """SageMaker bills an hour at 1.408; the pool's term says 1.40."""
        pool("g5", gpus=1, per_hour="1.40", start=datetime(2026, 11, 17, 5, tzinfo=UTC))
        assert post_hours(datetime(2026, 11, 17, 6, 5, tzinfo=UTC)) == 1
        cur = (
            (FILES / "aws-cur.csv").read_text().replace("2026-10-16", "2026-11-17").replace("2026-10-01", "2026-11-01")
        )
        data = cur.replace("2026-11-01T00:00:00Z,2026-11-01", "2026-11-01T00:00:00Z,2026-12-01").encode()
        bill = bring_in(data)[0]
        assert bill.left_out["other_services"] == {"lines": 1, "amount": "0.096000000000"}
        with db.transaction() as session:
            service.say_alias(
                session, provider="aws", name="Host:ml.g5.xlarge", model=None, pool="g5", actor="f", now=NOW
            )  # fmt: skip
        assert causes(bill)["price", "capacity"] == Decimal("0.008")

    def test_a_model_is_one_under_all_names_of_its_provider(self):
        """Two spans name the provider in two ways; the bill has their tokens in one line."""
        for provider in ("aws.bedrock", "bedrock"):
            price(provider, "claude-x", input="2.50", output="10")
            ingest(
                call(datetime(2026, 11, 17, 12, tzinfo=UTC), provider=provider, model="claude-x", input_tokens=MILLION)
            )
        settle()
        bill = post(
            bring_in(as_csv([row(17, "5.20", "claude-x", "Input Tokens", 2 * MILLION, ProviderName="AWS")]))[0], "use"
        )
        assert causes(bill) == {("price", "input"): Decimal("0.20")}
        assert {key[2]: a for key, a in entries(kind="bill").items() if key[0] == "bill_variance"} == {
            1: Decimal("0.20")
        }


@pytest.mark.usefixtures("database")
class TestMonths:
    def test_a_bill_that_is_not_posted_stands_in_the_way_of_the_close(self):
        bill = bring_in(as_csv(the_bill()))[0]
        check.register()
        with db.transaction() as session:
            (found,) = check.unposted(session, "2026-11", NOW)
            assert list(check.unposted(session, "2026-10", NOW)) == []
        assert (found.name, found.url) == ("bill_unposted", f"/bills/{bill.id}")
        assert found.detail == (
            "OpenAI's bill of 1 to 19 November 2026, 8.590000000000 USD, is not posted: post it, or replace it."
        )
        post(bill)
        with db.transaction() as session:
            assert list(check.unposted(session, "2026-11", NOW)) == []

    def test_posted_after_the_close_it_is_an_adjustment_that_names_the_month(self):
        """October's bill comes in December, when October is closed."""
        october = {"BillingPeriodStart": "2026-10-01T00:00:00Z", "BillingPeriodEnd": "2026-11-01T00:00:00Z"}
        later = datetime(2026, 12, 5, tzinfo=UTC)
        with db.transaction() as session:
            session.add(PostedHour(id=1, posted_until=datetime(2026, 11, 1, tzinfo=UTC)))
            session.flush()
            period_close.request(session, month="2026-10", reason="end of month", actor="f", now=later, grace_s=60)
        with db.transaction() as session:
            period_close.close(session, month="2026-10", actor="g", now=later, grace_s=60)
        row_ = row(17, "1.00", "gpt-4o", "Input Tokens", 1, **october) | {
            "ChargePeriodStart": "2026-10-17T00:00:00Z", "ChargePeriodEnd": "2026-10-18T00:00:00Z",
        }  # fmt: skip
        post(bring_in(as_csv([row_]), now=later)[0], now=later)
        with db.transaction() as session:
            (made,) = session.scalars(select(Posting).where(Posting.kind == "bill"))
        assert (made.period, made.adjusts) == ("2026-11", "2026-10")


@pytest.mark.usefixtures("database")
def test_lines_are_kept_as_the_file_has_them():
    bill = bring_in(as_csv(the_bill()))[0]
    with db.transaction() as session:
        numbers = session.scalars(select(BillLine.number).order_by(BillLine.number)).all()
        total = session.scalar(select(func.sum(BillLine.amount)).where(BillLine.bill_id == bill.id))
    assert numbers == list(range(2, 14))
    assert total == bill.total
