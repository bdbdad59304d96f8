"""What finance finds in the demo: a tree of cost centres, a shared cost, budgets, a bill that differs, figures of business value.

All of it goes in by the API, once; a visitor posts the bill and closes the month.
"""

import csv
import io
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from trivet.demo import history
from trivet.demo.people import FINANCE
from trivet.demo.telemetry import PROVIDER
from trivet.kit.clock import floor, rfc3339

TOP = "CC-000 Company"
DAY_S, DAY = 86_400, timedelta(days=1)
SHARED = {
    "name": "On-call and observability", "recurs": "monthly", "amount": "45.00", "currency": "USD",
    "rule": {"kind": "proportional", "usage_of": "day", "among": []}, "note": "Two contracts and the people on call.",
}  # fmt: skip
VALUES = {"acme": "420", "globex": "160", "initech": "95"}  # what they pay for the product, a month, in USD
BUDGETS: tuple[dict[str, Any], ...] = (
    {"name": "acme", "scope": "tenant", "subject": "acme", "limit": "110", "window": "month"},
    {"name": "Office", "scope": "cost_centre", "subject": "CC-300 Office", "limit": "30", "window": "month"},
    {"name": "Each tenant", "scope": "tenant", "limit": "150", "window": "month"},
    {"name": "All of a day", "scope": "global", "limit": "12", "window": "day", "zone": "Europe/Berlin"},
)
BILLED_BEYOND = Decimal("1.006")  # the provider counted a little more than was seen
FEE, CREDIT = "4.90", "-2.00"
COLUMNS = (
    "BilledCost", "BillingCurrency", "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeDescription",
    "ProviderName", "ServiceName", "InvoiceId", "BillingPeriodStart", "BillingPeriodEnd", "ConsumedQuantity",
    "ConsumedUnit", "x_Model",
)  # fmt: skip


def enter(client: httpx.Client, data_dir: Path, centres: dict[str, str], now: datetime) -> None:
    """Enter all of it where it has not been entered. `client` is an admin's, `centres` are names by tenant."""
    marker = data_dir / "demo" / "money.json"
    if marker.exists():
        return
    _ensure(client, "/cost-centres", {"name": TOP, "code": "000"})
    for name in centres.values():
        _ensure(client, f"/cost-centres/{name}/move", {"parent": TOP})
    begin = floor(history.first_hour(now), DAY_S) + DAY
    _ensure(client, "/shared-costs", SHARED | {"from": rfc3339(begin)})
    for tenant, amount in VALUES.items():
        body = {"kind": "tenant", "name": tenant, "month": f"{now:%Y-%m}", "amount": amount, "currency": "USD"}
        _ensure(client, "/business-values", body | {"note": "subscription"})
    for budget in BUDGETS:
        _ensure(client, "/budgets", {"currency": "USD", "owners": [FINANCE.email]} | budget)
    _bill(client, now)
    marker.write_text(json.dumps({"entered_at": rfc3339(now)}))


def _bill(client: httpx.Client, now: datetime) -> None:
    """The provider's bill of the month before, as far as there is a past of it, as a FOCUS file."""
    month_start = floor(now, DAY_S).replace(day=1)
    first = max(floor(history.first_hour(now), DAY_S), (month_start - DAY).replace(day=1))
    if first >= month_start:
        return
    asked: dict[str, str | int] = {
        "from": rfc3339(first), "to": rfc3339(month_start), "group_by": "model", "grain": "1d", "provider": PROVIDER,
        "limit": 500,
    }  # fmt: skip
    items = client.get("/usage", params=asked).raise_for_status().json()["items"]
    rows = [row for item in items if item["model"] == "demo-large" and item["cost"] for row in _rows(item)]
    if rows:
        rows += _other(month_start - DAY)
        answer = client.post("/bills", content=_csv(rows), headers={"Content-Type": "text/csv"}, params={"zone": "UTC"})
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()


def _rows(item: dict[str, Any]) -> list[dict[str, Any]]:
    """A day of one model: what was measured, by kind of token in proportion, and a little more."""
    day = datetime.fromisoformat(item["bucket"])
    tokens = {kind: count for kind, count in item["tokens"].items() if count}
    weights = {kind: count * {"output": 40, "cache_read": 1}.get(kind, 10) for kind, count in tokens.items()}
    billed = Decimal(item["cost"]["amount"]) * BILLED_BEYOND
    return [
        _row(
            day,
            (billed * weights[kind] / sum(weights.values())).quantize(Decimal("0.0001")),
            "Usage",
            f"{item['model']} {kind.replace('_', ' ')} tokens",
            {"ConsumedQuantity": f"{int(count * BILLED_BEYOND)}.0", "ConsumedUnit": "Tokens", "x_Model": item["model"]},
        )
        for kind, count in tokens.items()
    ]


def _other(day: datetime) -> list[dict[str, Any]]:
    return [
        _row(day, Decimal(FEE), "Usage", "Support plan", {}),
        _row(day, Decimal(CREDIT), "Credit", "Launch credit", {}),
    ]


def _row(day: datetime, amount: Decimal, category: str, words: str, more: dict[str, str]) -> dict[str, Any]:
    month = day.replace(day=1)
    return {
        "BilledCost": format(amount, "f"), "BillingCurrency": "USD", "ChargePeriodStart": rfc3339(day),
        "ChargePeriodEnd": rfc3339(day + DAY), "ChargeCategory": category, "ChargeDescription": words,
        "ProviderName": PROVIDER, "ServiceName": "Model API", "InvoiceId": f"DEMO-{month:%Y-%m}",
        "BillingPeriodStart": rfc3339(month), "BillingPeriodEnd": rfc3339((month + 31 * DAY).replace(day=1)), **more,
    }  # fmt: skip


def _csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _ensure(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """POST; what is there already stays."""
    response = client.post(path, json=body)
    if response.status_code != httpx.codes.CONFLICT:
        response.raise_for_status()
