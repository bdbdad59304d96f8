"""Two statements of the same question, read from the ledger and from usage, and why the second is another amount."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger.service import posted_until
from trivet.report import borne, centres, limits, names, pools, provisional, reference, tokens
from trivet.report.costs import halves
from trivet.report.gathered import OWN, Gathered
from trivet.report.moves import Item, Statement, per_million, per_token_moved, statement_moved
from trivet.report.names import Labels
from trivet.report.pools import PoolFigures
from trivet.report.reference import Reference
from trivet.report.tokens import Counts

ZERO = Decimal(0)
GROUP_BY = ("cost_centre", "tenant", "scenario", "model", "provider", "pool")
_ITEM = ("model_id", "pool_id", "account")
_KEPT = {
    "idle": "idle",
    "headroom": "idle",
    "down": "idle",
    "hidden": "idle",
    "shared": "shared",
    "bill_variance": "bill",
}

LEDGER_ONLY = ("purchase", "account", "period")  # what usage knows nothing of

Pair = tuple[int, int]  # model id, pool id
Group = tuple[tuple[Any, ...] | None, str]  # the key of a row, None for the whole; and the currency


@dataclass(frozen=True, slots=True)
class Moved:
    """One amount before and after, and the change by `moves.STATEMENT`. `key` None is the whole, idle and all."""

    key: tuple[Any, ...] | None
    currency: str
    before: Decimal
    after: Decimal
    parts: Mapping[str, Decimal]

    @property
    def change(self) -> Decimal:
        """Less where it is negative."""
        return EXACT.subtract(self.after, self.before)


@dataclass(frozen=True, slots=True)
class PerToken:
    """Cost of a million tokens of all pools in one currency, before and after, and the change by `moves.PER_TOKEN`."""

    currency: str
    before: Decimal
    after: Decimal
    parts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class _Read:
    """What one interval said: amounts by group, model, pool and account; tokens by group, model, pool and class."""

    amounts: Gathered
    counts: Sequence[tuple[dict[str, Any], Counts]]
    pools: Mapping[tuple[int, str], PoolFigures]

    def prices(self) -> set[tuple[int, str]]:
        """Pools, each in a currency, that had a price of a GPU hour."""
        return {supply for supply, each in self.pools.items() if each.price_per_gpu_hour}


def why(
    session: Session,
    before: Interval,
    after: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    *,
    cost_centre_depth: int | None = None,
) -> tuple[list[Moved], list[PerToken]]:
    """Each group of either interval and each currency's whole (first), why it moved; and the same of pools' cost per token."""
    where = centres.with_descendants(session, where, after.end)
    columns = tuple(dict.fromkeys(names.columns(group_by)))
    then, now = (_read(session, interval, columns, where) for interval in (before, after))
    pairs = {(ids["model_id"], ids["pool_id"]) for each in (then, now) for ids, _ in each.counts}
    ids = [each.amounts.ids(key) for each in (then, now) for key in each.amounts.sums]
    labels = centres.rolled_up(session, names.labels(session, group_by, ids), cost_centre_depth, after.end)
    priced = then.prices() & now.prices()
    telling = _Telling(group_by, labels, reference.at(session, pairs, (before.start, after.end)), priced)
    was, is_ = telling.statements(then), telling.statements(now)
    nothing = Statement(0)
    rows = [
        Moved(key, currency, a.total, b.total, statement_moved(a, b))
        for key, currency in sorted(was.keys() | is_.keys(), key=lambda group: (group[0] or (), group[1]))
        for a, b in [(was.get((key, currency), nothing), is_.get((key, currency), nothing))]
    ]
    return rows, _per_token(then, now)


def _read(
    session: Session, interval: Interval, columns: tuple[str, ...], where: Mapping[str, Collection[Any]]
) -> _Read:
    gathered = Gathered(tuple(dict.fromkeys([*columns, *_ITEM])), limits.GROUPS_MAX)
    posted, open_ = halves(interval, posted_until(session) or interval.start)
    if posted:
        borne.gather(session, posted, borne.Asked(where), gathered)
    if open_:
        provisional.gather(session, open_, where, None, gathered)
    by = list(dict.fromkeys([*columns, "model_id", "pool_id", "context_class"]))
    used = {name: values for name, values in where.items() if name not in LEDGER_ONLY}
    counts = [
        (dict(zip(by, key, strict=True)), each) for key, each in tokens.counts(session, interval, by, used).items()
    ]
    found = pools.figures(session, interval, {})
    return _Read(gathered, counts, {(p.pool_id, p.currency): p for p in found})


class _Telling:
    """Both statements are told with the same names, measures and kinds of price."""

    def __init__(
        self, group_by: Sequence[str], labels: Labels, rates: Reference, priced: Collection[tuple[int, str]]
    ) -> None:
        self._by, self._labels, self._rates, self._priced = group_by, labels, rates, priced

    def statements(self, own: _Read) -> dict[Group, Statement]:
        """Of each group, and of the whole (key None), which alone has what nobody bears."""
        used, kept = self._amounts(own)
        work = self._work(own)
        items: dict[Group, dict[Pair, Item]] = {}
        served: dict[Group, int] = {}
        for (group, pair), amount in used.items():
            done = work.get((group[0], pair), _Done())
            supply = pair[1], group[1]
            by_hour = supply in self._priced
            price = own.pools[supply].price_per_gpu_hour if by_hour else None
            items.setdefault(group, {})[pair] = Item(amount, done.units if by_hour else done.at_rates, price)
            served[group] = served.get(group, 0) + done.tokens
        groups = items.keys() | kept.keys()
        return {group: Statement(served.get(group, 0), items.get(group, {}), kept.get(group, {})) for group in groups}

    def _amounts(self, own: _Read) -> tuple[dict[tuple[Group, Pair], Decimal], dict[Group, dict[str, Decimal]]]:
        used: dict[tuple[Group, Pair], Decimal] = {}
        kept: dict[Group, dict[str, Decimal]] = {}
        for key, sums in own.amounts.sums.items():
            ids = own.amounts.ids(key)
            for shown in self._keys(ids):
                group = shown, ids["currency"]
                if ids["account"] in OWN:
                    item = group, (ids["model_id"], ids["pool_id"])
                    used[item] = EXACT.add(used.get(item, ZERO), sums.amount)
                else:
                    _keep(kept, group, ids["account"], sums.amount)
        for apart, amount in own.amounts.apart.items():
            _keep(kept, (None, own.amounts.ids(apart[1:])["currency"]), apart[0], amount)
        return used, kept

    def _work(self, own: _Read) -> dict[tuple[tuple[Any, ...] | None, Pair], "_Done"]:
        found: dict[tuple[tuple[Any, ...] | None, Pair], _Done] = {}
        for ids, counts in own.counts:
            pair = ids["model_id"], ids["pool_id"]
            done = _Done(
                self._rates.work(*pair, ids["context_class"], counts), reference.work_units(counts), counts.tokens
            )
            for shown in self._keys(ids):
                found[shown, pair] = found.get((shown, pair), _Done()).plus(done)
        return found

    def _keys(self, ids: Mapping[str, Any]) -> list[tuple[Any, ...] | None]:
        return [None, self._labels.key(self._by, ids)] if self._by else [None]


@dataclass(frozen=True, slots=True)
class _Done:
    """The work behind an item: at reference rates, in work units, in tokens."""

    at_rates: Decimal = ZERO
    units: Decimal = ZERO
    tokens: int = 0

    def plus(self, other: "_Done") -> "_Done":
        return _Done(
            EXACT.add(self.at_rates, other.at_rates), EXACT.add(self.units, other.units), self.tokens + other.tokens
        )


def _keep(kept: dict[Group, dict[str, Decimal]], group: Group, account: str, amount: Decimal) -> None:
    sums = kept.setdefault(group, {})
    sums[_KEPT[account]] = EXACT.add(sums.get(_KEPT[account], ZERO), amount)


def _per_token(then: _Read, now: _Read) -> list[PerToken]:
    found = []
    for currency in sorted({currency for each in (then, now) for _, currency in each.pools}):
        was, is_ = (
            {pool: figures.running() for (pool, own), figures in each.pools.items() if own == currency}
            for each in (then, now)
        )
        parts = per_token_moved(was, is_)
        before, after = per_million(was), per_million(is_)
        if parts is not None and before is not None and after is not None:
            found.append(PerToken(currency, before, after, parts))
    return found
