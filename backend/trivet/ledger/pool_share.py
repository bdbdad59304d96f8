"""Who used a pool's hour, and how much of it: shares by work, prefill and decode apart where they were measured. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from trivet.kit.money import EXACT, split
from trivet.ledger.line import User
from trivet.ledger.work import NO_PHASES, PHASES_BY

Key = TypeVar("Key", User, int)
Weights = Mapping[User, Decimal] | Mapping[User, int] | Mapping[User, Decimal | int]


@dataclass(frozen=True, slots=True)
class Phases:
    """Measured time of prefill and of decode, by whom it was measured, and the work of each user in each."""

    measured_by: str  # counters | spans
    prefill_us: int
    decode_us: int
    prefill: Mapping[User, Decimal] = field(default_factory=dict)
    decode: Mapping[User, Decimal] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return PHASES_BY[self.measured_by]


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one stretch's used cost: each user's, and how much was prefill and decode (None where not measured)."""

    of: Mapping[User, Decimal]
    prefill: Decimal | None
    decode: Decimal | None


def method_of(phases: Phases | None) -> str:
    """By which method used cost is shared."""
    return phases.method if phases else NO_PHASES


def shares(used: Decimal, work: Weights, requests: Weights, phases: Phases | None) -> Shares:
    """The used cost by user; exactly the whole, or nothing where there is no user.

    Without measured phases, or without any work in one, by work units; by requests where there was no countable work.
    """
    general = weights(work, requests)
    if phases is None:
        return Shares(_by(used, general), None, None)
    halves = split(used, {"prefill": phases.prefill_us, "decode": phases.decode_us})
    found: dict[User, Decimal] = {}
    for name, own in (("prefill", phases.prefill), ("decode", phases.decode)):
        for user, amount in _by(halves[name], weights(own, general)).items():
            found[user] = EXACT.add(found.get(user, Decimal(0)), amount)
    return Shares(found, halves["prefill"], halves["decode"])


def weights(work: Weights, otherwise: Weights) -> Weights:
    """The first of two that weighs anything."""
    return work if any(work.values()) else otherwise


def spread(amount: Decimal, evenly: bool, by: Weights) -> dict[User, Decimal]:
    """An amount over users: by their weights; or evenly by tenant, each tenant's part by the weights of its own users."""
    if not evenly:
        return _by(amount, by)
    own: dict[int, dict[User, Decimal | int]] = {}
    for user in sorted(by):
        own.setdefault(user.tenant_id, {})[user] = by[user]
    parts = _by(amount, dict.fromkeys(own, 1))
    return {
        user: part
        for tenant, users in own.items()
        for user, part in _by(parts.get(tenant, Decimal(0)), weights(users, dict.fromkeys(users, 1))).items()
    }


def _by(amount: Decimal, by: Mapping[Key, Decimal | int]) -> dict[Key, Decimal]:
    if not amount or not any(by.values()):
        return {}
    return split(amount, {key: by[key] for key in sorted(by)})
