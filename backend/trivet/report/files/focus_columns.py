"""The columns of FOCUS CostAndUsage as data: 1.2 with what 1.3 and 1.4 add and drop. Pure."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "decimal", "time", "json", "currency", "unit"]
VERSIONS = ("1.2", "1.3", "1.4")
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
SUBCATEGORIES = {
    "AI and Machine Learning": (
        "AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing",
        "Other (AI and Machine Learning)",
    ),
    "Compute": (
        "Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines",
        "Other (Compute)",
    ),
    "Other": ("Other (Other)",),
}  # fmt: skip
SERVICE_CATEGORIES = (
    "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools",
    "Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media", "Migration",
    "Mobile", "Networking", "Security", "Storage", "Web", "Other",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column: mandatory (M), conditional (C) or recommended (R), whether it may be null, what it holds, which versions have it."""

    name: str
    level: str
    nullable: bool
    kind: Kind = "text"
    allowed: tuple[str, ...] = ()
    since: str = "1.2"
    until: str = "1.4"
    mandatory_since: str = "1.2"

    def mandatory(self, version: str) -> bool:
        return self.level == "M" and version >= self.mandatory_since and self.within(version)

    def within(self, version: str) -> bool:
        return self.since <= version <= self.until


COLUMNS = (
    Column("AllocatedMethodDetails", "C", True, "json", since="1.3"),
    Column("AllocatedMethodId", "C", True, since="1.3"),
    Column("AllocatedResourceId", "C", True, since="1.3"),
    Column("AllocatedResourceName", "C", True, since="1.3"),
    Column("AllocatedTags", "C", True, "json", since="1.3"),
    Column("AvailabilityZone", "R", True),
    Column("BilledCost", "M", False, "decimal"),
    Column("BillingAccountId", "M", False),
    Column("BillingAccountName", "M", True),
    Column("BillingAccountType", "C", True),
    Column("BillingCurrency", "M", False, "currency"),
    Column("BillingPeriodEnd", "M", False, "time"),
    Column("BillingPeriodStart", "M", False, "time"),
    Column("CapacityReservationId", "C", True),
    Column("CapacityReservationStatus", "C", True, allowed=("Used", "Unused")),
    Column("ChargeCategory", "M", False, allowed=CATEGORIES),
    Column("ChargeClass", "M", True, allowed=("Correction",)),
    Column("ChargeDescription", "M", True),
    Column("ChargeFrequency", "R", False, allowed=("One-Time", "Recurring", "Usage-Based")),
    Column("ChargePeriodEnd", "M", False, "time"),
    Column("ChargePeriodStart", "M", False, "time"),
    Column("CommitmentDiscountCategory", "C", True, allowed=("Spend", "Usage")),
    Column("CommitmentDiscountId", "C", True),
    Column("CommitmentDiscountName", "C", True),
    Column("CommitmentDiscountQuantity", "C", True, "decimal"),
    Column("CommitmentDiscountStatus", "C", True, allowed=("Used", "Unused")),
    Column("CommitmentDiscountType", "C", True),
    Column("CommitmentDiscountUnit", "C", True, "unit"),
    Column("ConsumedQuantity", "C", True, "decimal"),
    Column("ConsumedUnit", "C", True, "unit"),
    Column("ContractApplied", "C", True, "json", since="1.3"),
    Column("ContractedCost", "M", False, "decimal"),
    Column("ContractedUnitPrice", "C", True, "decimal"),
    Column("EffectiveCost", "M", False, "decimal"),
    Column("HostProviderName", "M", False, mandatory_since="1.3"),
    Column("InvoiceId", "R", True),
    Column("InvoiceIssuerName", "M", False),
    Column("ListCost", "M", False, "decimal"),
    Column("ListUnitPrice", "C", True, "decimal"),
    Column("PricingCategory", "C", True, allowed=("Standard", "Dynamic", "Committed", "Other")),
    Column("PricingCurrency", "C", True, "currency"),
    Column("PricingCurrencyContractedUnitPrice", "C", True, "decimal"),
    Column("PricingCurrencyEffectiveCost", "C", True, "decimal"),
    Column("PricingCurrencyListUnitPrice", "C", True, "decimal"),
    Column("PricingQuantity", "M", True, "decimal"),
    Column("PricingUnit", "M", True, "unit"),
    Column("ProviderName", "M", False, until="1.3"),
    Column("PublisherName", "M", False, until="1.3"),
    Column("RegionId", "C", True),
    Column("RegionName", "C", True),
    Column("ResourceId", "C", True),
    Column("ResourceName", "C", True),
    Column("ResourceType", "C", True),
    Column("ServiceCategory", "M", False, allowed=SERVICE_CATEGORIES),
    Column("ServiceName", "M", False),
    Column("ServiceProviderName", "M", False, mandatory_since="1.3"),
    Column("ServiceSubcategory", "R", False),
    Column("SkuId", "C", True),
    Column("SkuMeter", "C", True),
    Column("SkuPriceDetails", "C", True, "json"),
    Column("SkuPriceId", "C", True),
    Column("SubAccountId", "C", True),
    Column("SubAccountName", "C", True),
    Column("SubAccountType", "C", True),
    Column("Tags", "C", True, "json"),
)  # fmt: skip
BY_NAME = {column.name: column for column in COLUMNS}
# Ours, behind all others. `x_FileKind` says which of the two kinds of file a row belongs to.
OWN = (
    Column("x_AllocationMethod", "C", True),
    Column("x_FileKind", "C", True, allowed=("supply", "allocation")),
    Column("x_Model", "C", True),
    Column("x_Pool", "C", True),
    Column("x_ProvisionalCost", "C", True, "decimal"),
    Column("x_Purchase", "C", True),
    Column("x_RequestCount", "C", True, "decimal"),
    Column("x_Tenant", "C", True),
    Column("x_TokenType", "C", True),
)
OWN_BY_NAME = {column.name: column for column in OWN}
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")


def columns(version: str) -> tuple[Column, ...]:
    """The columns of our files in a version, in their order."""
    return (*(column for column in COLUMNS if column.within(version)), *OWN)
