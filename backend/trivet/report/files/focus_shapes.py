"""What the columns of one FOCUS row say, part by part: of the group, of its tokens, of a pool, of a unit, of a commitment. Pure."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trivet.kit.clock import rfc3339
from trivet.kit.money import EXACT, PICO
from trivet.report.files.focus_model import UNUSED, ZERO, Facts, Group, Sum, Unit, Used

METERS = {
    "input": ("Input Tokens", "Input"),
    "output": ("Output Tokens", "Output"),
    "cache_read": ("Cache Read Input Tokens", "CacheRead"),
    "cache_write": ("Cache Write Input Tokens", "CacheWrite"),
    "reasoning": ("Reasoning Tokens", "Reasoning"),
}
MILLION = Decimal(1_000_000)
CATEGORY_OF = {"spot": "Dynamic", "reserved": "Committed", "provisioned": "Committed", "owned": "Other"}
COMMITMENTS = {"reserved": "Reserved Capacity", "provisioned": "Provisioned Throughput"}
UNUSED_WORDS = {
    "idle": "Idle capacity", "headroom": "Headroom: awake and not filled", "down": "Capacity that could not serve",
    "hidden": "Capacity that its pool hides from reports",
}  # fmt: skip
UNIT_METERS = {
    "bandwidth_gb": ("Bandwidth", "GB"),
    "cache_gb_hours": ("Cache Storage", "GB-Hours"),
    "cache_million_token_hours": ("Context Cache Storage", "1000000 Token-Hours"),
    "tool_calls": ("Tool Calls", "Calls"),
    "retrieval_calls": ("Retrievals", "Retrievals"),
    "web_searches": ("Web Searches", "Searches"),
    "requests": ("Request Fees", "Requests"),
}
SHARED_METHOD = "shared-rules"
Row = dict[str, str]


def of_group(group: Group, own: Sum) -> Row:
    """What all rows say. Without a quantity its three prices are what it costs."""
    cost = decimal(own.amount)
    month = datetime.strptime(group.period, "%Y-%m").replace(tzinfo=UTC)
    issuer = _provider(group)
    tags = {"trivet/tenant": group.tenant, "trivet/cost-centre": group.centre} if group.tenant else {}
    return {
        "BillingAccountId": issuer,
        "BillingAccountName": issuer,
        "BillingAccountType": "Supplier",
        "BillingCurrency": group.currency,
        "BillingPeriodStart": rfc3339(month),
        "BillingPeriodEnd": rfc3339((month + timedelta(days=31)).replace(day=1)),
        "ChargePeriodStart": rfc3339(group.start),
        "ChargePeriodEnd": rfc3339(group.end),
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if group.corrects else "",
        "ChargeFrequency": "Usage-Based",
        "EffectiveCost": cost,
        "ListCost": cost,
        "ContractedCost": cost,
        "InvoiceIssuerName": issuer,
        "ProviderName": issuer,
        "PublisherName": issuer,
        "ServiceProviderName": issuer,
        "HostProviderName": issuer,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": "Model inference",
        "PricingCurrency": group.currency,
        "SubAccountId": group.centre,
        "SubAccountName": group.centre,
        "SubAccountType": "Cost Centre" if group.centre else "",
        "Tags": _json(tags) if tags else "",
        "x_Model": group.model,
        "x_Pool": _named(group.pool),
        "x_ProvisionalCost": decimal(own.provisional),
        "x_Purchase": group.purchase,
        "x_Tenant": group.tenant,
    }


def of_tokens(group: Group, kind: str, count: int, unit: Unit | None) -> Row:
    meter, token_type = METERS[kind]
    quantity = EXACT.divide(Decimal(count), MILLION)
    sku = f"{group.provider}/{group.model}/{kind}"
    row = {
        "ChargeDescription": f"{meter} of {group.model}",
        "ConsumedQuantity": decimal(Decimal(count)),
        "ConsumedUnit": "Tokens",
        "PricingQuantity": decimal(quantity),
        "PricingUnit": "1000000 Tokens",
        "PricingCategory": CATEGORY_OF.get(group.purchase, "Standard"),
        "ResourceId": _named(group.pool) or f"{group.provider}/{group.model}",
        "ResourceName": _named(group.pool) or group.model,
        "ResourceType": "GPU Pool" if _named(group.pool) else "Model Deployment",
        "SkuId": sku,
        "SkuPriceId": f"{sku}/on-demand",
        "SkuMeter": meter,
        "SkuPriceDetails": _json({"x_ModelId": group.model, "x_TokenType": token_type}),
        "x_TokenType": token_type,
    }
    if unit is None:
        return row
    listed, contracted = unit.listed[kind], unit.contracted[kind]
    return row | {
        "ListUnitPrice": decimal(listed),
        "ContractedUnitPrice": decimal(contracted),
        "ListCost": decimal(EXACT.multiply(listed, quantity)),
        "ContractedCost": decimal(EXACT.multiply(contracted, quantity)),
    }


def whole(group: Group, amount: Decimal, used: Used, facts: Facts) -> Row:
    """A group that is one row: idle capacity, capacity as supply, shared cost, a correction, cost without tokens."""
    if group.account in UNUSED:
        words = f"{UNUSED_WORDS[group.account]} of pool {group.pool}"
        return of_pool(group, facts, amount, "Unused") | {"ChargeDescription": words}
    if group.unit:
        return _of_unit(group, facts)
    if group.account == "shared":
        return {
            "ChargeDescription": "Shared cost", "ServiceName": "Shared cost", "ServiceCategory": "Other",
            "ServiceSubcategory": "Other (Other)", "ChargeFrequency": "Recurring",
        } | _hours(group)  # fmt: skip
    if group.account == "bill_variance":
        return {
            "ChargeCategory": "Adjustment",
            "ChargeDescription": f"What the bill says beyond what was measured of {group.model}",
        }
    if not (group.tenant or group.centre or group.metered):
        return of_pool(group, facts, amount, "Used") | {"ChargeDescription": f"Used capacity of pool {group.pool}"}
    if group.corrects:
        return of_commitment(group, "Used") | {
            "ChargeDescription": f"Booked after the close of the month of its use: {group.model}"
        }
    if used.requests > 0:
        return {
            "ChargeDescription": f"Requests to {group.model} without tokens", "PricingUnit": "Requests",
            "PricingQuantity": decimal(Decimal(used.requests)), "ConsumedUnit": "Requests",
            "ConsumedQuantity": decimal(Decimal(used.requests)), "x_RequestCount": decimal(Decimal(used.requests)),
        } | of_commitment(group, "Used")  # fmt: skip
    return {
        "ChargeCategory": "Adjustment",
        "ChargeDescription": f"Cost of {group.model} whose requests ended in another period",
    }


def allocated(group: Group, facts: Facts) -> Row:
    """How a shared cost was allocated, where it was: the method that posted it, and what of."""
    if group.account == "shared":
        return {"AllocatedMethodId": SHARED_METHOD, "x_AllocationMethod": SHARED_METHOD}
    found = facts.capacities.get((group.start, group.pool))
    if group.metered or found is None or not found.method:
        return {}
    return {
        "AllocatedMethodId": found.method, "x_AllocationMethod": found.method, "AllocatedResourceId": group.pool,
        "AllocatedResourceName": group.pool,
    }  # fmt: skip


def _of_unit(group: Group, facts: Facts) -> Row:
    """What is no token: so many of its unit; as an adjustment where nobody knows how many."""
    meter, unit = UNIT_METERS[group.unit]
    count = _quantity(group, facts)
    row = {"SkuMeter": meter, "SkuId": f"{group.provider}/{group.model}/{group.unit}"}
    if group.corrects or not count:
        late = {} if group.corrects else {"ChargeCategory": "Adjustment"}
        return row | late | {"ChargeDescription": f"{meter}, booked apart from their quantity"}
    told = {
        "PricingQuantity": decimal(count),
        "PricingUnit": unit,
        "ConsumedQuantity": decimal(count),
        "ConsumedUnit": unit,
    }
    return row | told | {"ChargeDescription": meter, "PricingCategory": "Standard"}


def _quantity(group: Group, facts: Facts) -> Decimal:
    """How much of a unit a group's amount is for: a tenant's whole, where one group bears it; of supply everybody's."""
    if group.tenant:
        own = (group.start, group.tenant, group.provider, group.model, group.pool, group.unit)
        alike = [g for g in facts.sums if g.unit == group.unit and not g.corrects and g.of_usage == group.of_usage]
        return facts.quantities.get(own, ZERO) if len(alike) == 1 else ZERO
    total, wanted = ZERO, (group.start, group.provider, group.model, group.pool, group.unit)
    for (start, _, *rest), count in facts.quantities.items():
        if (start, *rest) == wanted:
            total = EXACT.add(total, count)
    return total


def _hours(group: Group) -> Row:
    """A cost by time has the hours of its charge period as quantity."""
    hours = decimal(EXACT.divide(Decimal(int((group.end - group.start).total_seconds())), Decimal(3600)))
    return {"PricingQuantity": hours, "PricingUnit": "Hours", "ConsumedQuantity": hours, "ConsumedUnit": "Hours"}


def of_pool(group: Group, facts: Facts, amount: Decimal, status: str) -> Row:
    """A pool's capacity: hours that cost this amount, at its price where it had one; else its hours are not told apart."""
    found = facts.capacities.get((group.start, group.pool))
    row = {
        "ServiceCategory": "Compute",
        "ServiceSubcategory": "Virtual Machines",
        "ServiceName": "GPU capacity",
        "PricingCategory": CATEGORY_OF.get(group.purchase, "Standard"),
        "ResourceId": _named(group.pool),
        "ResourceName": _named(group.pool),
        "ResourceType": "GPU Pool",
    }
    if group.tenant or group.centre:  # a part that somebody bears is no node any more
        row |= {"ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": "Generative AI"}
    if found is None or (not found.price or found.currency != group.currency):
        return row | (_hours(group) if not group.corrects else {}) | of_commitment(group, status)
    quantity = EXACT.quantize(EXACT.divide(amount, found.price), PICO)
    sku = f"{found.gpu_type}/{found.unit}"
    row |= {
        "PricingQuantity": decimal(quantity),
        "PricingUnit": found.unit,
        "ConsumedQuantity": decimal(quantity),
        "ConsumedUnit": found.unit,
        "ListUnitPrice": decimal(found.price),
        "ContractedUnitPrice": decimal(found.price),
        "SkuId": sku,
        "SkuPriceId": f"{sku}/{group.purchase}",
        "SkuMeter": "GPU Hours",
        "SkuPriceDetails": _json({"InstanceType": found.gpu_type, "GpuCount": found.size}),
    }
    return row | of_commitment(group, status, decimal(quantity), found.unit)


def of_commitment(group: Group, status: str, quantity: str = "", unit: str = "") -> Row:
    """What a row of a reserved or provisioned pool says of the commitment that covers it."""
    kind = COMMITMENTS.get(group.purchase)
    if kind is None:
        return {}
    row = {
        "PricingCategory": "Committed", "CommitmentDiscountId": group.pool, "CommitmentDiscountName": group.pool,
        "CommitmentDiscountCategory": "Usage", "CommitmentDiscountType": kind, "CommitmentDiscountStatus": status,
        "CommitmentDiscountQuantity": quantity, "CommitmentDiscountUnit": unit,
    }  # fmt: skip
    return row | ({"ConsumedQuantity": "", "ConsumedUnit": ""} if status == "Unused" else {})


def _provider(group: Group) -> str:
    if group.metered and group.account in ("", "bill_variance"):
        return group.provider if group.provider not in ("", "none") else "Unknown"
    return "Shared cost" if group.account == "shared" else "Own capacity"


def _named(name: str) -> str:
    return "" if name == "none" else name


def _json(found: Mapping[str, object]) -> str:
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def decimal(value: Decimal) -> str:
    """A decimal with its point and all its places: at least those of a pico for what has so many."""
    text = format(value, "f")
    return text if "." in text else f"{text}.0"
