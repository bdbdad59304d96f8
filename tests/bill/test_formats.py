"""What each format's files come to: the day, the name of the model, the kind of token and how many, the amount.

Files are by hand with the headers that docs/money.md says they are based on; `focus-ai-draft.csv` is the specification's.
"""

import io
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.bills import LIMITS, as_csv, the_bill

from trivet.bill.intake import EVERYTHING, Asked, Intake
from trivet.bill.read.formats import formats, own, provider_of
from trivet.bill.read.line import tokens_of
from trivet.kit.errors import Invalid

FILES = Path(__file__).parent.parent / "data" / "bills"


def read(data, form=None, **asked):
    """(intake, charges) of some bytes, or of a file in tests/data/bills."""
    held = io.BytesIO((FILES / data).read_bytes() if isinstance(data, str) else data)
    intake = Intake(held, Asked(**asked), form, LIMITS)
    return intake, list(intake.charges())


def told(charges):
    """(day, name, kind, tokens, amount, category) of each."""
    return [
        (f"{c.day:%m-%d}", c.model, c.kind, None if c.tokens is None else int(c.tokens), str(c.amount.normalize()), c.category)
        for c in charges
    ]  # fmt: skip


class TestFocus:
    def test_the_specification_s_own_example_of_a_month_of_cached_prompts(self):
        intake, charges = read("focus-ai-draft.csv")
        assert intake.format.name == "focus"
        assert told(charges) == [
            ("01-01", "solora-reasoning-pro", "input", 500_000, "1.5", "usage"),
            ("01-01", "solora-reasoning-pro", "cache_write", 2_000_000, "7.5", "usage"),
            ("01-01", "solora-reasoning-pro", "cache_read", 8_000_000, "2.4", "usage"),
            ("01-01", "solora-reasoning-pro", "output", 1_500_000, "22.5", "usage"),
        ]
        assert {(c.days, c.provider) for c in charges} == {(31, "Solora AI")}

    def test_the_word_null_is_nothing_and_an_instant_may_have_a_space(self):
        row = the_bill()[0] | {"ChargeClass": "NULL", "ChargePeriodStart": "2026-11-17 22:00:00", "InvoiceId": "NULL"}
        _, (charge,) = read(as_csv([row]))
        assert (charge.day.day, charge.invoice_id, charge.correction) == (17, "", False)

    def test_a_correction_is_known(self):
        _, (charge,) = read(as_csv([the_bill()[0] | {"ChargeClass": "Correction"}]))
        assert charge.correction

    def test_an_hour_of_gpus_is_no_token(self):
        row = the_bill()[0] | {"SkuMeter": "GPU Hours", "ConsumedUnit": "GPU-Hours", "x_Model": ""}
        _, (charge,) = read(as_csv([row]))
        assert (charge.kind, charge.tokens, charge.unit) == ("", None, "GPU-Hours")

    def test_what_a_commitment_covers_is_marked(self):
        row = the_bill()[0] | {"BilledCost": "0", "EffectiveCost": "2.10", "PricingCategory": "Committed"}
        _, (charge,) = read(as_csv([row]))
        assert (charge.covered, charge.amount, charge.effective) == (True, 0, Decimal("2.10"))


class TestProviders:
    def test_openai_tells_model_and_kind_in_one_text_and_days_without_cost_as_blank(self):
        intake, charges = read("openai-cost.tsv")
        assert intake.format.name == "openai"
        assert told(charges) == [
            ("11-22", "gpt-4o-mini-2024-07-18", "input", None, "0.0045519", "usage"),
            ("11-22", "gpt-4o-mini-2024-07-18", "cache_read", None, "0", "usage"),
            ("11-22", "gpt-4o-mini-2024-07-18", "output", None, "0.0009822", "usage"),
            ("11-22", "gpt-5.6-sol", "output", None, "1.5", "usage"),
            ("11-22", "", "", None, "0.03", "usage"),
        ]
        assert {c.currency for c in charges} == {"USD"}

    def test_openai_counts_tokens_in_a_file_of_its_own(self):
        intake, charges = read("openai-usage.csv")
        assert intake.format.tokens_only
        assert told(charges) == [
            ("11-22", "gpt-4o-mini-2024-07-18", "input", 30_346, "0", "usage"),
            ("11-22", "gpt-4o-mini-2024-07-18", "output", 1_637, "0", "usage"),
        ]

    def test_anthropic_writes_models_as_people_say_them_and_cents(self):
        _, charges = read("anthropic-cost.csv")
        assert told(charges) == [
            ("11-16", "Claude Sonnet 4.5", "input", None, "0.01", "usage"),
            ("11-16", "Claude Sonnet 4.5", "cache_read", None, "18.71", "usage"),
            ("11-16", "Claude Sonnet 4.5", "cache_write", None, "5.9", "usage"),
            ("11-16", "Claude Sonnet 4.5", "output", None, "3.02", "usage"),
            ("11-16", "", "", None, "0.4", "usage"),
        ]
        assert [c.places for c in charges] == [2] * 5

    def test_anthropic_counts_cache_writes_of_both_lengths(self):
        _, charges = read("anthropic-usage.csv")
        assert {c.kind: int(c.tokens) for c in charges} == {
            "input": 3_300, "cache_read": 62_366_000, "cache_write": 1_573_000, "output": 201_000,
        }  # fmt: skip

    def test_aws_tells_all_in_the_usage_type_and_other_services_are_left_out(self):
        intake, charges = read("aws-cur.csv")
        assert told(charges) == [
            ("10-16", "Claude4.6Sonnet", "input", 23_000, "0.069", "usage"),
            ("10-16", "Claude4.6Sonnet", "output", 14_300, "0.2145", "usage"),
            ("10-16", "Claude4.6Sonnet", "cache_read", 100_000, "0.03", "usage"),
            ("10-16", "Host:ml.g5.xlarge", "", None, "1.408", "usage"),
            ("10-01", "Claude4.6Sonnet", "", None, "0.02", "tax"),
            ("10-16", "Claude4.6Sonnet", "", None, "-0.01", "credit"),
        ]
        assert (intake.tally.other_lines, intake.tally.other) == (1, {"USD": Decimal("0.096")})

    def test_every_service_where_asked(self):
        assert len(read("aws-cur.csv", services=EVERYTHING)[1]) == 7

    def test_columns_of_cur_2_are_the_same_ones(self):
        header, _, rest = (FILES / "aws-cur.csv").read_text().partition("\n")
        snake = "".join(f"_{c.lower()}" if c.isupper() else "_" if c == "/" else c for c in header)
        assert "line_item_usage_type" in snake.replace("__", "_")
        assert len(read(f"{snake.replace('__', '_')}\n{rest}".encode())[1]) == 6

    def test_google_s_days_are_pacific_and_a_credit_stands_in_a_column(self):
        intake, charges = read("gcp-export.csv")
        assert intake.zone.key == "America/Los_Angeles"
        assert told(charges) == [
            ("10-16", "Gemini 2.5 Flash", "input", 1_065_000, "0.3195", "usage"),  # 06:00 UTC is the day before there
            ("10-17", "Gemini 2.5 Flash", "output", 1_000_000, "2.5", "usage"),
            ("10-17", "Gemini 2.5 Flash", "", None, "-0.25", "credit"),
            ("10-17", "Gemini 2.5 Flash", "", None, "0.01", "usage"),
        ]

    def test_google_s_table_starts_below_what_it_is_of(self):
        intake, charges = read("gcp-table.csv")
        assert (intake.format.name, charges[0].currency, charges[0].days) == ("gcp-table", "USD", 31)
        assert told(charges)[0] == ("10-01", "Gemini 2.5 Flash", "input", 1_065_000, "0.3195", "usage")

    def test_azure_writes_american_dates_and_short_meters(self):
        _, charges = read("azure-cost.csv")
        assert told(charges) == [
            ("10-05", "gpt 4o 0806", "input", 2_000_000, "5", "usage"),
            ("10-05", "gpt 4o 0806", "cache_read", 1_000_000, "1.25", "usage"),
            ("10-06", "gpt 4o 0806", "output", 100_000, "1", "usage"),
            ("10-06", "", "", None, "2.6E+2", "purchase"),
        ]

    def test_each_format_says_what_it_is_based_on_and_how_sure_that_is(self):
        for each in formats().values():
            assert each.based_on and each.evidence in {"sample", "reported", "documented"}

    @pytest.mark.parametrize(
        ("said", "name"), [("Amazon Web Services, Inc.", "aws"), ("OpenAI", "openai"), ("vertex_ai", "gcp"), ("Solora", "Solora")]
    )  # fmt: skip
    def test_a_provider_is_one_under_each_of_its_names(self, said, name):
        assert provider_of(said).name == name


class TestParquet:
    def test_it_is_the_same_bill(self):
        rows = the_bill()
        out = io.BytesIO()
        pq.write_table(pa.table({name: [row[name] or None for row in rows] for name in rows[0]}), out)
        assert told(read(out.getvalue())[1]) == told(read(as_csv(rows))[1])

    def test_decimals_and_instants_come_exactly_and_a_double_as_its_shortest_decimal(self):
        from datetime import UTC, datetime

        at = datetime(2026, 11, 17, tzinfo=UTC)
        table = {
            "ChargePeriodStart": pa.array([at, at], pa.timestamp("us", "UTC")), "ChargeCategory": ["Usage", "Usage"],
            "BillingCurrency": ["USD", "USD"], "BilledCost": pa.array([Decimal("0.100000000001"), Decimal(3)], pa.decimal128(38, 12)),
            "EffectiveCost": pa.array([0.1, 1e-7], pa.float64()),
        }  # fmt: skip
        out = io.BytesIO()
        pq.write_table(pa.table(table), out)
        _, charges = read(out.getvalue())
        assert [(c.amount, c.effective) for c in charges] == [
            (Decimal("0.100000000001"), Decimal("0.1")),
            (Decimal(3), Decimal("1E-7")),
        ]

    def test_nested_columns_of_google_are_flattened_and_credits_added_up(self):
        row = {
            "service": {"description": "Vertex AI"}, "sku": {"description": "Gemini 2.5 Flash GA Text Input - Predictions"},
            "usage_start_time": "2026-10-17T12:00:00Z", "cost": "1.00", "currency": "USD",
            "credits": [{"name": "a", "amount": -0.1}, {"name": "b", "amount": -0.2}],
        }  # fmt: skip
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([row]), out)
        assert [str(c.amount.normalize()) for c in read(out.getvalue())[1]] == ["1", "-0.3"]


COLUMNS = {
    "date": "Tag",
    "model": "Modell",
    "amount": "Betrag",
    "currency": "=EUR",
    "kind": "Art",
    "tokens": "Menge",
}


class TestOwn:
    def test_columns_are_named_and_constants_stand_after_a_sign(self):
        data = b"Tag;Modell;Art;Menge;Betrag\n2026-11-17;m1;input tokens;2000;0.10\n"
        _, charges = read(data, own("mine", COLUMNS))
        assert told(charges) == [("11-17", "m1", "input", 2_000, "0.1", "usage")]
        assert charges[0].currency == "EUR"

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({"date": "d", "model": "m", "amount": "a"}, "currency is missing"),
            ({"date": "d", "model": "m", "amount": "a", "currency": "c", "colour": "x"}, "colour is not known"),
            ({"date": "=2026", "model": "m", "amount": "a", "currency": "c"}, "Only the currency and the model"),
        ],
    )
    def test_what_is_missing_is_named(self, columns, said):
        with pytest.raises(Invalid, match=said):
            own("mine", columns)


@pytest.mark.parametrize(
    ("quantity", "unit", "tokens"),
    [("2", "1000000 Tokens", 2_000_000), ("2.5", "1K tokens", 2_500), ("3", "Tokens", 3), ("1", "1M Tokens", 1_000_000),
     ("1", "Hours", None), ("1", "Token-Hours", None), ("1", "", None)],
)  # fmt: skip
def test_units_of_tokens(quantity, unit, tokens):
    assert tokens_of(Decimal(quantity), unit) == tokens
