"""The rules: data, each broken once; and the samples that others published."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from trivet.cli import app
from trivet.report.files import focus_rules
from trivet.report.files.focus_check import check_file

SAMPLES = Path(__file__).parents[2] / "data" / "focus"
GOOD = {
    "BilledCost": "1.5", "BillingAccountId": "a", "BillingAccountName": "", "BillingCurrency": "USD",
    "BillingPeriodEnd": "2026-12-01T00:00:00Z", "BillingPeriodStart": "2026-11-01T00:00:00Z", "ChargeCategory": "Usage",
    "ChargeClass": "", "ChargeDescription": "", "ChargePeriodEnd": "2026-11-02T00:00:00Z",
    "ChargePeriodStart": "2026-11-01T00:00:00Z", "CommitmentDiscountCategory": "", "CommitmentDiscountId": "",
    "CommitmentDiscountStatus": "", "ConsumedQuantity": "500000.0", "ConsumedUnit": "Tokens", "ContractedCost": "1.5",
    "ContractedUnitPrice": "3.0", "EffectiveCost": "1.5", "InvoiceIssuerName": "s", "ListCost": "1.5",
    "ListUnitPrice": "3.0", "PricingQuantity": "0.5", "PricingUnit": "1000000 Tokens", "ProviderName": "s",
    "PublisherName": "s", "ServiceCategory": "AI and Machine Learning", "ServiceName": "s",
    "ServiceSubcategory": "Generative AI", "SkuId": "", "SkuPriceDetails": "", "SkuPriceId": "", "SubAccountId": "",
    "SubAccountName": "", "Tags": "", "x_FileKind": "",
}  # fmt: skip
BROKEN = [
    ("decimal-format", {"BilledCost": "1,5"}),
    ("decimal-format", {"BilledCost": "$1.5"}),
    ("decimal-format", {"ListUnitPrice": "NaN"}),
    ("decimal-point", {"PricingQuantity": "1", "ListCost": "3.0", "ContractedCost": "3.0"}),
    ("null-empty", {"ChargeClass": "NULL"}),
    ("not-null", {"BillingAccountId": ""}),
    ("allowed-value", {"ChargeCategory": "usage"}),
    ("time-format", {"ChargePeriodStart": "2026-11-01 00:00:00"}),
    ("time-format", {"ChargePeriodStart": "2026-13-01T00:00:00Z"}),
    ("currency-format", {"BillingCurrency": "$"}),
    ("unit-format", {"PricingUnit": "1e6 tokens"}),
    ("json-format", {"Tags": "team=a"}),
    ("json-format", {"Tags": "[]"}),
    ("tags", {"Tags": '{"team": 7}'}),
    ("price-details", {"SkuPriceDetails": '{"token type": "Input"}'}),
    ("charge-period", {"ChargePeriodEnd": "2026-11-01T00:00:00Z"}),
    ("billing-period", {"BillingPeriodEnd": "2026-11-01T00:00:00Z"}),
    ("list-cost", {"ListCost": "1.6"}),
    ("contracted-cost", {"ContractedCost": "1.6"}),
    ("pricing-quantity", {"PricingQuantity": "", "PricingUnit": ""}),
    ("pricing-quantity", {"ChargeCategory": "Tax"}),
    ("pricing-unit", {"PricingUnit": ""}),
    ("consumed-unit", {"ConsumedUnit": ""}),
    ("sku-of-price", {"SkuPriceId": "p"}),
    ("sub-account", {"SubAccountName": "n"}),
    ("subcategory", {"ServiceSubcategory": "Virtual Machines"}),
    ("commitment-status", {"CommitmentDiscountStatus": "Used"}),
    ("commitment-category", {"CommitmentDiscountId": "c"}),
    ("commitment-unused", {"CommitmentDiscountId": "c", "CommitmentDiscountCategory": "Usage", "CommitmentDiscountStatus": "Unused"}),
    ("commitment-purchase", {"ChargeCategory": "Purchase", "CommitmentDiscountId": "c", "CommitmentDiscountCategory": "Usage"}),
    ("commitment-used", {"CommitmentDiscountId": "c", "CommitmentDiscountCategory": "Usage", "CommitmentDiscountStatus": "Used", "x_FileKind": "supply"}),
    ("allocation-not-billed", {"x_FileKind": "allocation"}),
    ("correction", {"x_FileKind": "supply", "ChargeClass": "Correction"}),
    ("correction", {"x_FileKind": "supply", "ChargePeriodStart": "2026-10-31T00:00:00Z"}),
]  # fmt: skip


def check(**changed):
    return focus_rules.check(list(GOOD), [GOOD | changed], "1.2")


class TestEachRule:
    def test_a_good_row_breaks_none(self):
        assert check().counts == {}

    @pytest.mark.parametrize(("rule", "changed"), BROKEN)
    def test_is_broken_by_its_own_fault_alone(self, rule, changed):
        found = check(**changed)
        assert set(found.counts) == {rule}
        assert found.ok == (rule == "decimal-point")

    @pytest.mark.parametrize("value", ["1.5", "-1.5", "0.0000025", "2.5E-6", "1500000.25"])
    def test_a_decimal_is_digits_with_a_point(self, value):
        assert check(x_y="1", BilledCost=value).counts == {}

    @pytest.mark.parametrize(
        "unit", ["Tokens", "1000000 Tokens", "GPU-Hours", "Hours", "Requests", "GB-Hours", "1000 Requests"]
    )
    def test_units_of_the_specification(self, unit):
        assert check(PricingUnit=unit).counts == {}

    def test_a_correction_needs_no_quantity_and_no_product(self):
        late = {"ChargeClass": "Correction", "PricingQuantity": "", "PricingUnit": "", "ListCost": "9.0"}
        assert check(**late).counts == {}

    def test_an_invoiced_allocation_may_bill(self):
        header = [*list(GOOD)[:-1], "InvoiceId", "x_FileKind"]
        row = GOOD | {"x_FileKind": "allocation", "InvoiceId": "i-1"}
        assert "allocation-not-billed" not in focus_rules.check(header, [row], "1.2").counts


class TestHeaders:
    def test_a_missing_a_foreign_a_double_and_a_misplaced_column(self):
        header = ["x_Own", *[name for name in GOOD if name not in ("BilledCost", "x_FileKind")], "Id", "Tags"]
        counts = focus_rules.check(header, [], "1.2").counts
        assert counts == {
            "column-mandatory": 1, "column-custom": 1, "column-once": 1, "column-custom-last": 1, "column-order": 1,
            "file-empty": 1,
        }  # fmt: skip

    def test_1_4_has_no_provider_and_asks_for_who_serves(self):
        counts = focus_rules.check(list(GOOD), [], "1.4").counts
        assert counts["column-dropped"] == 2
        assert counts["column-mandatory"] == 2

    @pytest.mark.parametrize(
        ("names", "version"),
        [(["ProviderName"], "1.2"), (["ProviderName", "AllocatedTags"], "1.3"), (["ServiceProviderName"], "1.4")],
    )
    def test_a_header_tells_its_version(self, names, version):
        assert focus_rules.version_of(names) == version

    def test_supply_and_allocation_are_never_one_file(self):
        kinds = [GOOD | {"x_FileKind": "supply"}, GOOD | {"x_FileKind": "allocation", "BilledCost": "0.0"}]
        assert set(focus_rules.check(list(GOOD), kinds, "1.2").counts) == {"file-one-kind"}


class TestSamples:
    def test_the_row_that_the_official_validator_takes_is_taken(self):
        verdict, version = check_file(SAMPLES / "focus-1.2-ai-row-synthetic.csv")
        assert (version, verdict.rows, verdict.counts) == ("1.2", 1, {})

    def test_so_is_the_draft_of_prompt_caching(self):
        verdict, version = check_file(SAMPLES / "focus-ai-draft-prompt-caching.csv")
        assert (version, verdict.rows, verdict.counts) == ("1.4", 4, {})

    def test_the_official_sample_breaks_what_is_known_of_it(self):
        verdict, _ = check_file(SAMPLES / "focus-1.0-sample-59rows.csv")
        assert verdict.rows == 59
        assert {rule for rule in verdict.counts if rule not in ("decimal-point", "column-order")} == {
            "column-custom", "null-empty", "time-format", "unit-format",
        }  # fmt: skip
        assert verdict.counts["time-format"] == 4 * 59


class TestCommand:
    def run(self, *args):
        return CliRunner().invoke(app, ["focus", "check", *map(str, args)])

    def test_ends_with_0_for_a_file_that_agrees(self):
        done = self.run(SAMPLES / "focus-1.2-ai-row-synthetic.csv")
        assert done.exit_code == 0
        assert "1 rows: agrees with the rules for FOCUS 1.2" in done.stdout

    def test_ends_with_1_for_one_that_breaks_a_rule_and_says_where(self):
        done = self.run(SAMPLES / "focus-1.0-sample-59rows.csv")
        assert done.exit_code == 1
        assert "row 1, BillingPeriodEnd" in done.stdout

    @pytest.mark.parametrize("content", [b"\xff\xfe\0", None])
    def test_what_cannot_be_read_is_said(self, tmp_path, content):
        path = tmp_path / "a.csv"
        if content is not None:
            path.write_bytes(content)
        done = self.run(path)
        assert done.exit_code == 1
        assert "cannot be read" in done.stderr
