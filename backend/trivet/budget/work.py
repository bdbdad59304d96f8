"""Windows in hand while they are brought up to what telemetry told: counted, made, given new terms, converted."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.budget import counters, kept, opening
from trivet.budget.book import Book, Standing
from trivet.budget.centres import Centres
from trivet.budget.counters import Delta
from trivet.budget.kept import Window
from trivet.budget.limits import WindowKey
from trivet.budget.lines import amount_at, drawn
from trivet.budget.models import BudgetWindow
from trivet.budget.seen import Seen
from trivet.budget.sums import ZERO, figures
from trivet.budget.windows import CALENDAR, window_at
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.pricing.exchange import rates
from trivet.tenant.models import CostCentre

NEW_MAX = 2_000
HELD_MAX = 1_000
SUBJECTS_MAX = 10_000  # whose windows are made at once when a budget begins
Grouped = dict[str, dict[int, list[Delta]]]  # by scope, by whose they are


class Work:
    """Windows in hand, by id, and what is done to them in one round."""

    def __init__(self, session: Session, budgets: Book, now: datetime) -> None:
        self.session, self.now = session, now
        self.standings = {each.id: each for each in budgets.at(now)}
        self.exchange = rates(session)
        self.tree = opening.tree_for(session, self.standings.values())
        self.windows: dict[int, Window] = {}
        self._anew: dict[int, Window] = {}  # whose lines are drawn by new terms
        self.foreign: set[int] = set()  # windows that need converting
        self._calendar: dict[tuple[str, str, datetime], Interval] = {}

    def pairs(self) -> Iterator[tuple[Window, Standing]]:
        """Windows in hand with their budgets, in the order of ids."""
        for _, window in sorted(self.windows.items()):
            if window.budget_id in self.standings:
                yield window, self.standings[window.budget_id]

    def judged(self) -> Iterator[tuple[Window, Standing]]:
        """Windows whose lines may be crossed: those in hand, and those whose lines new terms drew below what is spent."""
        for id_, window in self._anew.items():
            self.windows.setdefault(id_, window).before = ZERO
        return self.pairs()

    def hold(self, windows: Iterable[Window]) -> list[Window]:
        """The same windows, or what they are in hand already."""
        return [self.windows.setdefault(window.id, window) for window in windows]

    def count(self, deltas: Iterable[Delta]) -> None:
        """Add what was told to the windows it falls in; those of now that are not there are made, whole."""
        told = self._told(deltas)
        there = kept.by_key(self.session, told)
        amounts = []
        for window in self.hold(there.values()):
            more = figures(self.standings[window.budget_id], (delta.part for delta in told[window.key]))
            window.count(more)
            if more.foreign:
                amounts.append((window.id, more.foreign))
                self.foreign.add(window.id)
        kept.add_foreign(self.session, amounts)
        made = self._make(key for key in told if key not in there and key.starts_at <= self.now < key.ends_at)
        for window in (*there.values(), *made):
            window.told = [(delta.received_at, delta.part) for delta in told[window.key]]

    def _told(self, deltas: Iterable[Delta]) -> dict[WindowKey, list[Delta]]:
        grouped = _grouped(deltas, self.tree)
        told: dict[WindowKey, list[Delta]] = defaultdict(list)
        for standing in self.standings.values():
            if standing.window in CALENDAR:
                for subject_id, delta in _of(standing, grouped):
                    told[self._key(standing, subject_id, delta.quarter)].append(delta)
        return told

    def _key(self, standing: Standing, subject_id: int, at: datetime) -> WindowKey:
        """Identity of a calendar window, worked out once for a quarter hour."""
        key = (standing.window, standing.zone.key, at)
        window = self._calendar.get(key) or self._calendar.setdefault(
            key, window_at(standing.window, standing.zone, at)
        )
        return WindowKey(standing.id, subject_id, "", window.start, window.end)

    def _make(self, keys: Iterable[WindowKey]) -> list[Window]:
        wanted = {key: self.standings[key.budget_id] for key in keys}
        if not wanted:
            return []
        opening.open_windows(self.session, wanted)
        made = self.hold(kept.by_key(self.session, wanted).values())
        self.foreign.update(window.id for window in made)
        return made

    def begin(self, seen: Seen) -> None:
        """Make the windows of now that are nobody's in particular; give new terms to windows that are open."""
        calendar = [each for each in self.standings.values() if each.window in CALENDAR]
        new = [each for each in self.standings.values() if seen.terms.get(each.id) != each.terms.id]
        keys = [self._key(each, each.subject_id, self.now) for each in calendar if not each.each]
        keys += [key for each in new if each.each and each.window in CALENDAR for key in self._whoever(each)]
        there = kept.by_key(self.session, keys)
        self._make(key for key in keys if key not in there)
        for window in kept.open_of(self.session, [each.id for each in new], self.now):
            terms = self.standings[window.budget_id].terms
            if window.limit != terms.limit:
                [mine] = self.hold([window])
                mine.limit = terms.limit
            if any(window.spent >= amount_at(line, terms.limit) for line in drawn(terms)):
                self._anew[window.id] = window

    def _whoever(self, standing: Standing) -> Iterator[WindowKey]:
        """Windows of those who spent something before their budget began."""
        window = window_at(standing.window, standing.zone, self.now)
        if standing.scope == "cost_centre":
            ids = list(self.session.scalars(select(CostCentre.id).limit(SUBJECTS_MAX)))
        else:
            ids = counters.subjects(self.session, standing, window, SUBJECTS_MAX)
        return (self._key(standing, id_, self.now) for id_ in ids)

    def recount_moved(self) -> None:
        """Count cost centres anew whose tenants, or whose place in the tree, are not what they were."""
        own = [each.id for each in self.standings.values() if each.scope == "cost_centre"]
        for window in self.hold(kept.open_of(self.session, own, self.now, basis_is_not=self.tree.basis)):
            if window.basis != self.tree.basis:  # else it was made a moment ago
                self._recount(window)
                window.basis = self.tree.basis

    def held_interactions(self) -> list[int]:
        """Windows of interactions of which something is held: what releases a hold counts there in the same moment."""
        own = [each.id for each in self.standings.values() if each.scope == "interaction"]
        if not own:
            return []
        query = select(BudgetWindow.id).where(BudgetWindow.budget_id.in_(own), BudgetWindow.held != 0)
        return list(self.session.scalars(query.order_by(BudgetWindow.id.desc()).limit(HELD_MAX)))

    def recount_interactions(self, ids: list[int]) -> None:
        """Count interactions anew, from their requests."""
        for window in self.hold(kept.by_id(self.session, ids)):
            self._recount(window)

    def _recount(self, window: Window) -> None:
        standing = self.standings[window.budget_id]
        parts = opening.parts_of(self.session, standing, [window.key], self.tree).get(window.key, ())
        whole = figures(standing, parts)
        window.restart(whole)
        kept.forget_foreign(self.session, [window.id])
        kept.add_foreign(self.session, [(window.id, whole.foreign)])
        self.foreign.add(window.id)

    def take_new(self) -> None:
        """Windows that a reservation made: their lines were never looked at."""
        self.hold(kept.new(self.session, NEW_MAX))

    def convert(self, seen: Seen) -> None:
        """Say what is spent, with today's rates: of what was touched, and of everything where rates were entered."""
        if self.exchange is not seen.exchange:
            self.foreign.update(window.id for window in self.hold(kept.with_foreign(self.session, self.now)))
        touched = [(window, standing.currency) for window, standing in self.pairs() if window.id in self.foreign]
        kept.convert(self.session, touched, self.exchange)
        for window in self.windows.values():
            if window.id not in self.foreign:  # what was converted stays what it was
                window.spent = EXACT.add(window.own, window.converted)


def _grouped(deltas: Iterable[Delta], tree: Centres) -> Grouped:
    """Deltas by whose they are, scope by scope; id 0 is nobody's, but of `global`."""
    made: Grouped = defaultdict(lambda: defaultdict(list))
    for delta in deltas:
        made["global"][0].append(delta)
        for scope, id_ in (
            ("tenant", delta.tenant_id), ("key", delta.key_id), ("scenario", delta.scenario_id),
            ("end_user", delta.end_user_id),
        ):  # fmt: skip
            made[scope][id_].append(delta)
        for centre in tree.of_tenant(delta.tenant_id, delta.quarter):
            made["cost_centre"][centre].append(delta)
    return made


def _of(standing: Standing, grouped: Grouped) -> Iterator[tuple[int, Delta]]:
    """Deltas that fall under a budget, each with whose window it is."""
    own = grouped.get(standing.scope, {})
    for id_, deltas in own.items() if standing.each else [(standing.subject_id, own.get(standing.subject_id, []))]:
        if id_ or not standing.each:
            for delta in deltas:
                if standing.tenant_id in (0, delta.tenant_id):
                    yield id_, delta
