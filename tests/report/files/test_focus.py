"""FOCUS files of the invented company: every sum is the ledger's, supply and allocation are never one file."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from sqlalchemy import update
from tests.report.files.conftest import text
from tests.report.files.test_tables import HOSTILE
from tests.support import books

from trivet import db
from trivet.fleet.models import PoolTerm
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.pricing import quantity, unit
from trivet.pricing.quantity import Told
from trivet.report.files import focus_columns, focus_file, focus_rules

DAY = Interval(books.DAY, books.DAY + timedelta(days=1))


def rows(content):
    return list(csv.DictReader(text(content)))


def total(found, column):
    return sum((Decimal(row[column]) for row in found), Decimal(0))


def of(found, **wanted):
    return [row for row in found if all(row[name] == value for name, value in wanted.items())]


class TestAllocation:
    def test_bears_what_the_report_says_and_bills_nothing(self, made, morning):
        found = rows(made("allocation", "focus.csv", grain="1h"))
        assert total(found, "EffectiveCost") == Decimal("11.5")
        assert total(found, "BilledCost") == 0
        assert {row["x_FileKind"] for row in found} == {"allocation"}

    def test_each_cost_centre_bears_its_own_to_the_last_pico(self, made, morning):
        found = rows(made("allocation", "focus.csv", DAY))
        by_centre = {row["SubAccountId"] for row in found}
        assert {name: total(of(found, SubAccountId=name), "EffectiveCost") for name in by_centre} == {
            "CC-7": Decimal("4.166666666667"),
            "CC-9": Decimal("1.666666666667"),
            "unattributed": Decimal("1.666666666666"),
            "": Decimal(4),
        }

    def test_a_row_is_one_kind_of_token_by_tokens_times_price(self, made, morning):
        """bolt on the pool: 1 M input at 1 and 0.5 M output at 4 share 0.666666666667 as 1 to 2."""
        found = of(rows(made("allocation", "focus.csv", grain="1h")), x_Tenant="bolt", x_Model="small")
        assert [
            (r["x_TokenType"], r["EffectiveCost"], r["ConsumedQuantity"], r["PricingQuantity"], r["ListCost"]) for r in found
        ] == [
            ("Input", "0.222222222222", "1000000.0", "1.0", "1.0"),
            ("Output", "0.444444444445", "500000.0", "0.5", "2.0"),
        ]  # fmt: skip
        assert {r["ChargePeriodStart"] for r in found} == {"2026-11-20T07:00:00Z"}
        assert {r["BillingPeriodStart"] for r in found} == {"2026-11-01T00:00:00Z"}

    def test_idle_is_a_row_of_its_own_in_gpu_hours(self, made, morning):
        (idle,) = [
            row for row in rows(made("allocation", "focus.csv", grain="1h")) if "Idle" in row["ChargeDescription"]
        ]
        assert (idle["EffectiveCost"], idle["PricingUnit"], idle["SubAccountId"]) == ("4.000000000000", "GPU-Hours", "")
        assert idle["PricingQuantity"] == "1.333333333333"
        assert idle["ListUnitPrice"].rstrip("0").rstrip(".") == "3"

    def test_nulls_are_empty_and_decimals_have_a_point(self, made, morning):
        for row in rows(made("allocation", "focus.csv", DAY)):
            assert "NULL" not in row.values()
            assert "." in row["EffectiveCost"] and "." in row["PricingQuantity"]
            assert row["ChargeClass"] == row["InvoiceId"] == ""

    def test_a_bound_filter_shows_nothing_of_others(self, made, morning):
        found = rows(made("allocation", "focus.csv", DAY, asked={"tenant": ["bolt"]}))
        assert {row["x_Tenant"] for row in found} == {"bolt"}
        assert total(found, "EffectiveCost") == Decimal("1.666666666667")


class TestSupply:
    def test_bills_what_supply_costs_and_names_nobody(self, made, morning):
        found = rows(made("supply", "focus.csv", grain="1h"))
        assert total(found, "BilledCost") == total(found, "EffectiveCost") == Decimal("11.5")
        assert {row["x_Tenant"] for row in found} == {row["SubAccountId"] for row in found} == {""}

    def test_models_by_token_and_pools_by_gpu_hour(self, made, morning):
        found = rows(made("supply", "focus.csv", grain="1h"))
        assert {(r["ChargeDescription"], r["BilledCost"], r["PricingQuantity"]) for r in found} == {
            ("Input Tokens of gpt-4o", "4.000000000000", "1.6"),
            ("Output Tokens of gpt-4o", "1.500000000000", "0.15"),
            ("Used capacity of pool h100", "2.000000000000", "0.666666666667"),
            ("Idle capacity of pool h100", "4.000000000000", "1.333333333333"),
        }
        assert {r["ProviderName"] for r in found} == {"openai", "Own capacity"}

    def test_a_commitment_is_bought_used_and_wasted_in_rows_of_their_own(self, made, database):
        books.company()
        with db.transaction() as session:
            session.execute(update(PoolTerm).values(purchase="reserved"))
        books.a_morning()
        books.post()
        found = of(rows(made("supply", "focus.csv", grain="1h")), ResourceId="h100")
        keys = ("ChargeCategory", "BilledCost", "EffectiveCost", "CommitmentDiscountStatus", "ConsumedQuantity")
        assert sorted(tuple(row[key] for key in keys) for row in found) == [
            ("Purchase", "6.000000000000", "0.000000000000", "", ""),
            ("Usage", "0.000000000000", "2.000000000000", "Used", "0.666666666667"),
            ("Usage", "0.000000000000", "4.000000000000", "Unused", ""),
        ]
        assert {row["PricingCategory"] for row in found} == {"Committed"}


class TestUnits:
    @pytest.fixture
    def bandwidth(self, database):
        """12.5 GB of acme's and 2 of crow's at 0.08, beside the morning's tokens; told before the hour was posted."""
        books.company()
        with db.transaction() as session:
            unit.add(
                session, unit="bandwidth_gb", name="", provider="", pool="", effective_from=books.DAY - timedelta(days=9),
                currency="USD", price=Decimal("0.08"), source="entered", actor="finance",
            )  # fmt: skip
            told = [
                Told("k1", books.SEVEN, "acme", "bandwidth_gb", Decimal("12.5")),
                Told("k2", books.SEVEN, "crow", "bandwidth_gb", Decimal(2)),
            ]
            quantity.tell(session, told, tenant_id=None, actor="cdn", now=books.DAY + timedelta(days=1))
        books.a_morning()
        books.post()

    def test_what_is_no_token_is_a_row_of_its_own_with_its_quantity(self, made, bandwidth):
        keys = ("x_Tenant", "EffectiveCost", "PricingQuantity", "PricingUnit")
        found = rows(made("allocation", "focus.csv", grain="1h"))
        assert sorted(tuple(row[key] for key in keys) for row in of(found, SkuMeter="Bandwidth")) == [
            ("acme", "1.000000000000", "12.500000000000", "GB"),
            ("crow", "0.160000000000", "2.000000000000", "GB"),
        ]
        assert total(found, "EffectiveCost") == Decimal("12.66")
        tokens = of(found, x_Tenant="acme", x_Model="gpt-4o")
        assert total(tokens, "EffectiveCost") == total(tokens, "ContractedCost") == Decimal("3.5")

    def test_as_supply_it_is_everybodys(self, made, bandwidth):
        (row,) = of(rows(made("supply", "focus.csv", grain="1h")), SkuMeter="Bandwidth")
        assert (row["BilledCost"], row["PricingQuantity"]) == ("1.160000000000", "14.500000000000")


class TestVersions:
    def test_1_2_names_provider_and_publisher_and_1_4_no_more(self, made, morning):
        headers = {
            v: made("supply", "focus.csv", DAY, focus_version=v).decode().partition("\n")[0].split(",")
            for v in focus_columns.VERSIONS
        }
        assert {v: "ProviderName" in names for v, names in headers.items()} == {"1.2": True, "1.3": True, "1.4": False}
        assert {v: "AllocatedMethodId" in names for v, names in headers.items()} == {
            "1.2": False,
            "1.3": True,
            "1.4": True,
        }
        for names in headers.values():
            own = [name for name in names if name.startswith("x_")]
            assert names[-len(own) :] == own
            assert {"ServiceProviderName", "HostProviderName"} <= set(names)

    def test_of_1_2_there_are_57_columns_and_two_of_later(self):
        names = {c.name for c in focus_columns.COLUMNS if c.within("1.2")} - {"ServiceProviderName", "HostProviderName"}
        assert len(names) == 57

    def test_from_1_3_on_a_row_says_how_it_was_allocated(self, made, morning):
        (row, *_) = of(rows(made("allocation", "focus.csv", grain="1h", focus_version="1.3")), x_Pool="h100")
        assert row["AllocatedMethodId"] == row["x_AllocationMethod"] != ""
        assert row["AllocatedResourceId"] == "h100"

    def test_another_version_is_refused(self, made, morning):
        with pytest.raises(Invalid, match=r"1\.2, 1\.3, 1\.4"):
            made("supply", "focus.csv", focus_version="0.9")


class TestParquet:
    @pytest.mark.parametrize("kind", ["supply", "allocation"])
    def test_has_the_rows_and_the_amounts_of_the_csv(self, made, morning, kind):
        found = rows(made(kind, "focus.csv", DAY))
        table = pq.read_table(io.BytesIO(made(kind, "parquet", DAY)))
        assert table.column_names == list(found[0])
        for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
            assert [value.as_py() for value in table[name]] == [Decimal(row[name]) for row in found]
        assert {value.as_py().isoformat() for value in table["ChargePeriodStart"]} == {"2026-11-20T00:00:00+00:00"}
        assert table["ChargeClass"].null_count == len(found)


class TestBeforeItLeaves:
    def test_a_file_that_does_not_add_up_does_not_leave(self, made, morning, monkeypatch):
        kept = focus_file.KINDS["supply"]
        monkeypatch.setitem(focus_file.KINDS, "supply", (kept[0], lambda facts: list(kept[1](facts))[1:]))
        with pytest.raises(focus_file.UncheckedFile, match=r"adds up to .* the report says 11\.5"):
            made("supply", "focus.csv", DAY)

    def test_nor_one_that_breaks_a_rule(self, made, morning, monkeypatch):
        kept = focus_file.KINDS["allocation"]
        broken = lambda facts: (row | {"PricingUnit": "tokens"} for row in kept[1](facts))  # noqa: E731
        monkeypatch.setitem(focus_file.KINDS, "allocation", (kept[0], broken))
        with pytest.raises(focus_file.UncheckedFile, match="unit-format"):
            made("allocation", "focus.csv", DAY)

    def test_hostile_names_pass_every_rule_and_run_nowhere(self, made, database):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        for name in HOSTILE:
            books.tenants(**{name: name})
        books.ingest(*(books.metered(name, "07:05", input_tokens=1_000_003) for name in HOSTILE))
        books.rollup.fold()
        books.post()
        found = rows(made("allocation", "focus.csv", DAY))
        assert total(found, "EffectiveCost") == len(HOSTILE) * Decimal("2.5000075")
        assert not [value for row in found for value in row.values() if value[:1] in "=+@\t\r\n" and value]
        assert focus_rules.check(list(found[0]), found).counts == {}
