"""Run the public focus-validator on a FOCUS file of ours, as a second opinion on what it covers.

It has rules for FOCUS 1.0 only, so the file is cut to the columns of that version; it ends with 0 whatever it finds, so its
report is read; and six of its rules fail on every file, for reasons of its own, which are named here.

    python scripts/focus_validator.py VALIDATOR FILE.csv
"""

import csv
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

COLUMNS_1_0 = """
    AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart
    ChargeCategory ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory
    CommitmentDiscountId CommitmentDiscountName CommitmentDiscountStatus CommitmentDiscountType ConsumedQuantity ConsumedUnit
    ContractedCost ContractedUnitPrice EffectiveCost InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity
    PricingUnit ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName
    SkuId SkuPriceId SubAccountId SubAccountName Tags
""".split()  # noqa: SIM905  # 43 names read better so
OF_ITS_OWN = {
    "BillingCurrency_IsCurrencyCode": "its list of currencies is not in its package",
    "InvoiceIssuer_Required": "the column is called InvoiceIssuerName",
    "Provider_Required": "the column is called ProviderName",
    "Publisher_Required": "the column is called PublisherName",
    "ResourceID_Required": "the column is called ResourceId",
    "SkuPriceId_Nullable": "it asks for ChargeType, a column of FOCUS 0.5",
}


def cut(source: Path, target: Path) -> None:
    """The columns of FOCUS 1.0 alone."""
    with source.open(encoding="utf-8", newline="") as read, target.open("w", encoding="utf-8", newline="") as write:
        rows = csv.DictReader(read)
        lines = csv.DictWriter(write, COLUMNS_1_0, extrasaction="ignore")
        lines.writeheader()
        lines.writerows(rows)


def failures(report: Path) -> tuple[int, list[str]]:
    """How many checks there were, and the names of those that failed."""
    suites = ET.parse(report).getroot()  # noqa: S314  # a report that was written a moment ago, by the program called here
    failed = [
        str(suite.get("name")).partition("-")[0]
        for suite in suites.iter("testsuite")
        if suite.find(".//failure") is not None
    ]
    return int(suites.get("tests", "0")), failed


def main() -> int:
    validator, source = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        data, report = Path(folder) / "data.csv", Path(folder) / "report.xml"
        cut(source, data)
        command = [validator, "--data-file", str(data), "--validate-version", "1.0", "--output-type", "unittest"]
        subprocess.run([*command, "--output-destination", str(report)], check=True, stdout=subprocess.DEVNULL)
        count, failed = failures(report)
    ours = [rule for rule in failed if rule not in OF_ITS_OWN]
    lines = [f"{count} checks, {count - len(failed)} passed"]
    lines += [f"  fails on every file: {rule}: {OF_ITS_OWN[rule]}" for rule in failed if rule in OF_ITS_OWN]
    lines += [f"  FAILED: {rule}" for rule in ours]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if ours or not count else 0


if __name__ == "__main__":
    sys.exit(main())
