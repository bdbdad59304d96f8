"""Windows are made with what was spent in them before: none begins empty because nobody had looked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.budget import counters, interactions, kept
from trivet.budget.book import Standing
from trivet.budget.centres import Centres, centres
from trivet.budget.limits import WindowKey
from trivet.budget.sums import Figures, Part, converted, figures
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, plain
from trivet.pricing.exchange import Exchange, rates

ALONE = text("LOCK TABLE budget_window IN ROW EXCLUSIVE MODE")


def open_windows(session: Session, wanted: Mapping[WindowKey, Standing]) -> None:
    """Make windows that are not there. The refresh waits meanwhile, so that nothing is folded while they are summed."""
    session.execute(ALONE)
    groups: dict[tuple[int, Interval], list[WindowKey]] = defaultdict(list)
    for key in sorted(wanted):
        groups[(key.budget_id, Interval(key.starts_at, key.ends_at))].append(key)
    exchange, tree = rates(session), tree_for(session, wanted.values())
    for keys in groups.values():
        _open(session, wanted[keys[0]], keys, exchange, tree)


def tree_for(session: Session, standings: Iterable[Standing]) -> Centres:
    """Cost centres where some budget is of one; else nothing is read."""
    some = any(standing.scope == "cost_centre" for standing in standings)
    return centres(session) if some else Centres()


def _open(session: Session, standing: Standing, keys: Sequence[WindowKey], exchange: Exchange, tree: Centres) -> None:
    parts = parts_of(session, standing, keys, tree)
    told = {key: figures(standing, parts.get(key, ())) for key in keys}
    basis = tree.basis if standing.scope == "cost_centre" else ""
    made = kept.make(session, [_row(standing, key, told[key], exchange, basis) for key in keys])
    kept.add_foreign(session, [(id_, told[key].foreign) for key, id_ in made.items()])


def parts_of(
    session: Session, standing: Standing, keys: Sequence[WindowKey], tree: Centres
) -> dict[WindowKey, Sequence[Part]]:
    """What was spent in windows of one budget and one interval."""
    if standing.scope == "interaction":
        return interactions.parts_of(session, keys)
    interval = Interval(keys[0].starts_at, keys[0].ends_at)
    found = counters.parts_of(session, standing, [key.subject_id for key in keys], interval, tree)
    return {key: found.get(key.subject_id, ()) for key in keys}


def _row(standing: Standing, key: WindowKey, told: Figures, exchange: Exchange, basis: str) -> kept.New:
    more, gaps = converted(told.foreign, standing.currency, exchange)
    said = {currency: plain(amount) for currency, amount in sorted(gaps.items())}
    return kept.New(key, standing.terms.limit, told, EXACT.add(told.own, more), said, basis)
