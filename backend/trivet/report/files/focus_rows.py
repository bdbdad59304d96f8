"""FOCUS rows out of groups: who bears what (allocation), or what supply costs (supply). Pure.

A row is a mapping of column to text, "" for null. Sums of a file's cost column are those of the groups, to the pico.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from trivet.report.files.focus_model import UNUSED, Facts, Group, Of, Sum, Used, by_kind, shared_out
from trivet.report.files.focus_shapes import (
    COMMITMENTS,
    Row,
    allocated,
    decimal,
    of_commitment,
    of_group,
    of_pool,
    of_tokens,
    whole,
)

NOTHING = "0.000000000000"
INTERNAL = {
    "x_FileKind": "allocation", "BilledCost": NOTHING, "BillingAccountId": "internal",
    "BillingAccountName": "Internal allocation", "BillingAccountType": "Internal",
}  # fmt: skip


def allocation(facts: Facts) -> Iterator[Row]:
    """Who bears what: EffectiveCost is the ledger's, BilledCost nothing."""
    tokens = _tokens(facts)
    for group in sorted(facts.sums, key=_order):
        for row in _rows(group, facts.sums[group], tokens.get(group, Used()), facts):
            yield row | INTERNAL | allocated(group, facts)


def supply(facts: Facts) -> Iterator[Row]:
    """What supply costs: BilledCost is what is invoiced, or what capacity costs; nobody's name is on it."""
    tokens = _tokens(facts)
    sums: dict[Group, Sum] = {}
    used: dict[Group, Used] = {}
    for group, own in facts.sums.items():
        supplied = _supplied(group)
        sums.setdefault(supplied, Sum()).add(own.amount, own.provisional)
        if supplied.metered:  # capacity is supplied by the hour, whatever ran on it
            used[supplied] = _added(used.get(supplied, Used()), tokens.get(group, Used()))
    for group in sorted(sums, key=_order):
        if group.purchase in COMMITMENTS and group.account in ("", *UNUSED):
            continue
        for row in _rows(group, sums[group], used.get(group, Used()), facts):
            yield row | {"x_FileKind": "supply", "BilledCost": row["EffectiveCost"]}
    yield from _committed({g: s for g, s in sums.items() if g.purchase in COMMITMENTS}, facts)


def _supplied(group: Group) -> Group:
    """The supply behind a group: a model where it is metered, a pool where it is capacity."""
    nobody = replace(group, centre="", tenant="")
    if group.metered or group.account not in ("", *UNUSED):
        return nobody
    return replace(nobody, provider="", model="")


def _committed(sums: Mapping[Group, Sum], facts: Facts) -> Iterator[Row]:
    """A commitment as FOCUS tells it: its purchase is billed, its use and what was not used bear the cost."""
    wholes: dict[Group, Sum] = {}
    for group, own in sums.items():
        if group.account in ("", *UNUSED):
            wholes.setdefault(replace(group, account=""), Sum()).add(own.amount, own.provisional)
    for group in sorted(wholes, key=_order):
        own = wholes[group]
        yield of_group(group, own) | of_pool(group, facts, own.amount, "") | {
            "x_FileKind": "supply", "ChargeCategory": "Purchase", "ChargeFrequency": "Recurring",
            "ChargeDescription": f"Commitment of pool {group.pool}", "BilledCost": decimal(own.amount),
            "EffectiveCost": NOTHING, "CommitmentDiscountStatus": "", "ConsumedQuantity": "", "ConsumedUnit": "",
        }  # fmt: skip
    for group in sorted(sums, key=_order):
        if group.account in ("", *UNUSED):
            own = sums[group]
            for row in _rows(group, own, Used(), facts):
                yield row | {"x_FileKind": "supply", "BilledCost": NOTHING}


def _tokens(facts: Facts) -> dict[Group, Used]:
    """The tokens behind each group of use. A correction has none of its own: those of its period stand where it was booked first."""
    bearers: dict[Of, dict[Group, Decimal]] = {}
    for group in sorted(facts.sums, key=_order):
        if group.account == "" and not group.corrects:
            bearers.setdefault(group.of_usage, {})[group] = facts.sums[group].amount
    found: dict[Group, Used] = {}
    for of, weights in bearers.items():
        if of in facts.used:
            found |= shared_out(facts.used[of], weights)
    return found


def _added(a: Used, b: Used) -> Used:
    kinds = dict.fromkeys([*a.tokens, *b.tokens])
    return Used(a.requests + b.requests, {k: a.tokens.get(k, 0) + b.tokens.get(k, 0) for k in kinds})


def _order(group: Group) -> tuple[object, ...]:
    return tuple(getattr(group, name) for name in Group.__slots__)


def _rows(group: Group, own: Sum, used: Used, facts: Facts) -> Iterator[Row]:
    """The rows of one group: one a kind of tokens where there are tokens, else one."""
    if group.account == "":
        unit = facts.unit(group)
        parts = by_kind(own.amount, used, unit)
        provisional = by_kind(own.provisional, used, unit)
        for n, (kind, amount) in enumerate(parts.items()):
            requests = used.requests if n == 0 else 0
            yield (
                of_group(group, Sum(amount, provisional[kind]))
                | of_tokens(group, kind, used.tokens[kind], unit)
                | of_commitment(group, "Used")
                | {"x_RequestCount": decimal(Decimal(requests))}
            )
        if parts:
            return
    if not own.amount:
        return
    yield of_group(group, own) | whole(group, own.amount, used, facts)
