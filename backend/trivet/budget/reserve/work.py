"""A group of operations in one transaction: found, locked, decided in the order in which they came, written.

Each is granted or refused on its own, and sees what those before it hold; all layers of one or none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from trivet.budget.limits import Subject
from trivet.budget.reserve import rooms, standing, store
from trivet.budget.reserve.ask import Extend, Hold, Operation, Post, Told, Void
from trivet.budget.reserve.costs import Bounded, Market, bounded, named
from trivet.budget.reserve.decide import Layer, Room, refusal_of
from trivet.budget.reserve.ident import new_id
from trivet.budget.reserve.refusals import refuse
from trivet.budget.reserve.standing import NONE, Amounts, Standing
from trivet.budget.reserve.store import Kept, Share
from trivet.kit.errors import Invalid, NotFound, TrivetError
from trivet.kit.money import from_picos
from trivet.pricing.rate import cost_picos
from trivet.settings import get_settings

Came = Told | TrivetError


@dataclass(frozen=True, slots=True)
class Named:
    """An operation, and whose calls a hold is of."""

    operation: Operation
    subject: Subject = field(default_factory=Subject)


@dataclass(slots=True)
class _Desk:
    """What lies open while a group is worked on."""

    now: datetime
    market: Market
    rooms: dict[int, Room]
    kept: dict[UUID, Kept]


@dataclass(slots=True)
class _Asked:
    """A hold or an extension on its way to be decided."""

    bounded: Bounded
    under: list[rooms.Under]
    layers: list[Layer]


def work(session: Session, group: Sequence[Named | TrivetError], now: datetime) -> list[Came]:
    """What came of each operation, in order; nothing is visible before the caller commits. A refusal stays one."""
    named_ = [each for each in group if isinstance(each, Named)]
    came = iter(_work(session, named_, now) if named_ else [])
    return [next(came) if isinstance(each, Named) else each for each in group]


def _work(session: Session, named_: Sequence[Named], now: datetime) -> list[Came]:
    session.execute(store.TABLE)
    ids = [op.id for each in named_ if not isinstance(op := each.operation, Hold)]
    market = Market.of(session, now)
    before = store.read(session, ids)
    asked = _asked(session, market, named_, before)
    windows = {layer.window_id for each in asked.values() if not isinstance(each, TrivetError) for layer in each.layers}
    held = {window for kept in before.values() for window in kept.shares}
    locked = store.lock_windows(session, held | {window for window in windows if window is not None})
    kept = store.lock_reservations(session, ids)
    late = {window for each in kept.values() for window in each.shares} - set(locked)
    desk = _Desk(now, market, locked | store.lock_windows(session, late), kept)  # extended while we waited
    came = [_one(desk, each, asked.get(n)) for n, each in enumerate(named_)]
    store.write(session, desk.kept.values(), desk.rooms)
    return came


def _asked(
    session: Session, market: Market, named_: Sequence[Named], before: dict[UUID, Kept]
) -> dict[int, "_Asked | TrivetError"]:
    """Bounds and layers of holds and extensions, by their number; what cannot be bounded at all is a refusal."""
    found: dict[int, _Asked | TrivetError] = {}
    wanted: dict[int, rooms.Asked] = {}
    for n, each in enumerate(named_):
        op, subject = each.operation, each.subject
        if isinstance(op, Post | Void):
            continue
        try:
            if isinstance(op, Extend):
                subject = _subject_of(_own(before, op))
            found[n] = _Asked(bounded(market, op.costs), [], [])
            wanted[n] = rooms.Asked(subject, market.now, _until(op, market.now))
        except TrivetError as refused:
            found[n] = refused
    under = rooms.find(session, wanted.values())
    for n, own in zip(wanted, under.under, strict=True):
        asked = found[n]
        if isinstance(asked, _Asked):
            asked.under = own
            amounts = _amounts(named_[n].operation, asked.bounded.each, before)
            asked.layers = rooms.layers(market, own, under.ids, asked.bounded, amounts)
    return found


def _amounts(op: Operation, each: Amounts, before: dict[UUID, Kept]) -> Amounts:
    """All that it would hold."""
    if isinstance(op, Extend):
        return replace(before[op.id].standing, each=each).held
    return each.times(op.calls) if isinstance(op, Hold) else Amounts()


def _one(desk: _Desk, named_: Named, asked: "_Asked | TrivetError | None") -> Came:
    op = named_.operation
    if isinstance(asked, TrivetError):
        return asked
    try:
        if isinstance(op, Hold) and asked:
            return _hold(desk, op, named_.subject, asked)
        if isinstance(op, Extend) and asked:
            return _extend(desk, op, asked)
        return _end(desk, op)
    except TrivetError as refused:
        return refused


def _hold(desk: _Desk, op: Hold, subject: Subject, asked: _Asked) -> Told:
    if refusal := refusal_of(asked.layers, desk.rooms):
        raise refuse(refusal)
    each = asked.bounded.each
    provider, model = named(op.costs)
    kept = Kept(
        {
            "id": new_id(desk.now), "created_at": desk.now, "expires_at": _until(op, desk.now), "ended_at": None,
            "settled_at": None, "tenant_id": subject.tenant_id, "scenario_id": subject.scenario_id,
            "end_user_id": subject.end_user_id, "teller_id": subject.key_id, "key_id": op.caller.key_id,
            "currency": asked.bounded.currency, "provider": provider, "model": model, "pool": op.costs.pool,
            "interaction": op.interaction, "unbounded": _unbounded(asked.layers), "actor": op.caller.actor,
        },
        Standing(Amounts(), op.calls), {}, new=True,
    )  # fmt: skip
    desk.kept[kept.id] = kept
    return _take(desk, kept, Standing(each, op.calls), asked.layers)


def _extend(desk: _Desk, op: Extend, asked: _Asked) -> Told:
    kept = _own(desk.kept, op)
    if kept.currency and asked.bounded.currency and kept.currency != asked.bounded.currency:
        raise Invalid(f"It is held in {kept.currency}; ask for a new one in another currency.", field="currency")
    after = standing.extend(kept.standing, asked.bounded.each)
    own = {window: share.held for window, share in kept.shares.items()}
    if refusal := refusal_of(asked.layers, desk.rooms, own):
        raise refuse(refusal)
    provider, model = named(op.costs)
    kept.values |= {"expires_at": _until(op, desk.now), "unbounded": _unbounded(asked.layers)}
    kept.values |= {"currency": kept.currency or asked.bounded.currency, "pool": op.costs.pool}
    kept.values |= {"provider": provider, "model": model} if model else {}
    return _take(desk, kept, after, asked.layers)


def _take(desk: _Desk, kept: Kept, after: Standing, layers: Sequence[Layer]) -> Told:
    """It fits: hold it of every window."""
    for layer in layers:
        if layer.window_id is not None:
            share = kept.shares.setdefault(layer.window_id, Share(layer.measure, layer.currency, layer.rate, NONE))
            share.rate = layer.rate
    store.stand(kept, after, desk.rooms, desk.now)
    return _told(
        kept, [(each, None if each.window_id is None else desk.rooms[each.window_id].committed) for each in layers]
    )


def _end(desk: _Desk, op: Operation) -> Told:
    """Post it or void it."""
    if isinstance(op, Hold):
        raise TypeError(op)
    kept = _own(desk.kept, op)
    if isinstance(op, Void):
        after = standing.void(kept.standing)
    elif isinstance(op, Post):
        after = _posted(desk, kept, op)
    store.stand(kept, after, desk.rooms, desk.now)
    return _told(kept, [])


def _posted(desk: _Desk, kept: Kept, op: Post) -> Standing:
    before = kept.standing
    calls = before.open_calls if op.calls is None else op.calls
    estimated = before.each.times(calls)
    if op.amount is not None and op.currency != kept.currency:
        _tell_currency(desk, kept, op.currency)
    money, tokens = _told_amounts(desk, kept, op)
    actual = Amounts(
        estimated.money if money is None else money,
        estimated.tokens if tokens is None else tokens,
        calls if op.requests is None else op.requests,
    )
    return standing.post(before, actual, calls, close=op.close or op.calls is None)


def _told_amounts(desk: _Desk, kept: Kept, op: Post) -> tuple[Decimal | None, int | None]:
    """Money and tokens as posted; of `usage`, money by the price that held when it was granted."""
    if op.usage is None:
        return op.amount, op.tokens
    of, usage = kept.values, op.usage
    tokens = usage.input + usage.output + usage.cache_read + usage.cache_write + usage.reasoning
    if not tokens and op.amount is None:
        return NONE, 0
    line = desk.market.prices.price_at(of["provider"], of["model"], of["pool"], of["created_at"])
    if op.amount is not None or line is None or line.currency != kept.currency:
        return op.amount, tokens
    return from_picos(cost_picos(usage, line.rates)), tokens


def _tell_currency(desk: _Desk, kept: Kept, currency: str) -> None:
    """One that was granted without a price learns its currency by its first post; any other keeps its own."""
    if kept.currency:
        raise Invalid(f"This reservation is in {kept.currency}: post it in that.", field="currency")
    kept.values["currency"] = currency
    for share in kept.shares.values():
        if share.measure == "money":
            share.rate = rooms.kept_rate(desk.market.rates.rate_at(currency, share.currency, desk.now).rate)


def _own(kept: dict[UUID, Kept], op: Extend | Post | Void) -> Kept:
    """The reservation, where the caller may touch it: a key bound to a tenant only that tenant's."""
    found = kept.get(op.id)
    bound = op.caller.tenant_id
    if found is None or (bound is not None and found.values["tenant_id"] != bound):
        raise NotFound(f"There is no reservation {op.id}.")
    return found


def _subject_of(kept: Kept) -> Subject:
    of = kept.values
    return Subject(of["tenant_id"], of["scenario_id"], of["teller_id"], of["end_user_id"], of["interaction"])


def _until(op: Hold | Extend, now: datetime) -> datetime:
    return now + timedelta(seconds=op.ttl_s or get_settings().reservation_ttl_s)


def _unbounded(layers: Sequence[Layer]) -> str:
    """Why something is held at nothing though there is a limit on it."""
    return next((layer.missing for layer in layers if layer.need is None), "")


def _told(kept: Kept, layers: Sequence[tuple[Layer, Decimal | None]]) -> Told:
    of = kept.values
    return Told(kept.id, kept.standing, kept.currency, of["unbounded"], of["expires_at"], tuple(layers))
