"""Import bills. One file is imported once; all of it or nothing; and no day of a provider stands on two bills."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import IO, TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.bill import aliases, lines, matching, own_formats, posting
from trivet.bill.intake import Asked, Intake
from trivet.bill.models import Bill, BillAlias
from trivet.bill.read.formats import provider_of
from trivet.bill.read.line import Charge
from trivet.bill.read.table import Limits
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.locks import Lock
from trivet.kit.money import EXACT, plain
from trivet.ledger import book

CHUNK = 5_000
BILLS_MAX = 20  # providers × currencies of one file
INVOICES_MAX = 50
AT_ONCE_MAX = 5
LIVE = Bill.state != "replaced"
_DAY = timedelta(days=1)
_ZERO = Decimal(0)
T = TypeVar("T")
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to import and how. `usage`: a file of tokens beside the bill's own, which has amounts alone."""

    file: IO[bytes]
    file_name: str
    asked: Asked = field(default_factory=Asked)
    columns: Mapping[str, str] | None = None
    usage: IO[bytes] | None = None
    invoice_id: str = ""
    compared: bool = True
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The bills of a file, and whether they were made now. A file imported before gives the bills it made then."""

    bills: list[Bill]
    new: bool


@dataclass(slots=True)
class _Making:
    """A bill while its lines come in."""

    bill: Bill
    total: Decimal = _ZERO
    lines: int = 0
    of_models: int = 0
    days: tuple[date, date] | None = None
    periods: tuple[date, date] | None = None
    spans: int = 1
    invoices: set[str] = field(default_factory=set)

    def take(self, charge: Charge) -> None:
        self.total = EXACT.add(self.total, charge.amount)
        self.lines += 1
        self.of_models += bool(charge.kind)
        if charge.invoice_id and len(self.invoices) < INVOICES_MAX:
            self.invoices.add(charge.invoice_id)
        if charge.period:
            self.periods = _around(self.periods, charge.period)
        if charge.category == "usage" and not charge.correction:
            self.days = _around(self.days, (charge.day, charge.day + _DAY * charge.days))
            self.spans = max(self.spans, charge.days if charge.kind or charge.model else 1)

    def cover(self, today: date) -> tuple[date, date]:
        """The billing period; while it runs, up to the last day that was billed. Without one, the days of usage."""
        used = self.days or self.periods or (today, today + _DAY)
        if self.periods is None:
            return used
        start, end = self.periods
        last = min(end, max(used[1], start + _DAY)) if self.days else end
        return start, (end if end <= today else last)


def do_import(
    session: Session, wanted: Wanted, *, limits: Limits, actor: str, now: datetime, progress: Progress | None = None
) -> Imported:
    """Import a file, and compare what it bills with what was measured."""
    digest = _digest(wanted.file, limits)
    session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": Lock.BILL})
    before = select(Bill).where(Bill.sha256 == digest, LIVE).order_by(Bill.id)
    known = list(session.scalars(before))
    if known:
        return Imported(known, new=False)
    own = own_formats.find(session, wanted.asked.format, wanted.columns, actor)
    intake = Intake(wanted.file, wanted.asked, own, limits)
    if intake.format.tokens_only:
        raise Invalid(
            f"This is the {intake.format.title}: it counts tokens and has no amounts. Import the cost export, with this "
            "file beside it as usage.",
            field="file",
        )
    making = _Bills(session, wanted, intake, digest, actor)
    for chunk in _chunks(intake.charges(), CHUNK):
        making.take(chunk)
        if progress:
            progress(intake.tally.rows)
    if wanted.usage is not None:
        _take_usage(making, wanted, limits)
    return Imported(making.finish(now), new=True)


class _Bills:
    """The bills that a file makes, one for each provider and currency in it."""

    def __init__(self, session: Session, wanted: Wanted, intake: Intake, digest: bytes, actor: str) -> None:
        self._session, self._wanted, self._intake = session, wanted, intake
        self._digest, self._actor = digest, actor
        self._made: dict[tuple[str, str], _Making] = {}
        self._providers: dict[str, str] = {}

    def take(self, charges: list[Charge]) -> None:
        """Keep some charges as lines of their bills."""
        by_bill: dict[tuple[str, str], list[Charge]] = {}
        for charge in charges:
            key = (self._provider(charge), charge.currency)
            if key not in self._made:
                self._made[key] = self._new(*key)
            self._made[key].take(charge)
            by_bill.setdefault(key, []).append(charge)
        for key, found in by_bill.items():
            lines.store(self._session, self._made[key].bill, found)

    def take_beside(self, provider: str, charges: list[Charge]) -> None:
        """Tokens without amounts, to the provider's first bill."""
        own = next((made for (name, _), made in self._made.items() if name == provider), None)
        if own is None:
            raise Invalid(f"The file of tokens is of {provider}, which the bill is not of.", field="usage")
        lines.store(self._session, own.bill, charges)

    def finish(self, now: datetime) -> list[Bill]:
        """Totals, days, and what stands against them; then compare."""
        if not self._made:
            left = self._intake.tally.other_lines
            told = (
                f"None of its {left} lines is of a service that we compare; import all with services=*" if left else ""
            )
            raise Invalid(f"The file bills nothing. {told}".strip(), field="file")
        bills = [self._finished(made, now) for made in self._made.values()]
        _compare_once(list(self._made.values()))
        if self._wanted.replaces is not None:
            _replace(self._session, self._wanted.replaces, bills)
        for bill in bills:
            _no_rival(self._session, bill)
            matching.run(self._session, bill, now)
        for bill in bills:
            audit.record(
                self._session, actor=self._actor, action="bill.import", subject=f"bill:{bill.name}",
                after={
                    "total": plain(bill.total), "currency": bill.currency, "lines": bill.lines, "format": bill.format,
                    "file": bill.file_name, "sha256": bill.sha256.hex(), "replaces": bill.replaces,
                },
            )  # fmt: skip
        return bills

    def _provider(self, charge: Charge) -> str:
        said = self._wanted.asked.provider or charge.provider
        if said not in self._providers:
            if not said:
                raise Invalid("The file does not say who bills: name the provider.", field="provider")
            self._providers[said] = provider_of(said).name
        return self._providers[said]

    def _new(self, provider: str, currency: str) -> _Making:
        if len(self._made) >= BILLS_MAX:
            raise Invalid(f"The file has more than {BILLS_MAX} providers and currencies; split it.", field="file")
        bill = Bill(
            name=f"{self._digest.hex()} {provider} {currency}", provider=provider,
            measured_as=list(provider_of(provider).measured_as), format=self._intake.format.name, invoice_ids=[],
            currency=currency, zone=self._intake.zone.key, starts_on=date.min, ends_on=date.min, by_period=False,
            compared=self._wanted.compared, total=_ZERO, lines=0, left_out={}, state="imported",
            file_name=self._wanted.file_name, sha256=self._digest, author=self._actor,
        )  # fmt: skip
        self._session.add(bill)
        self._session.flush()
        return _Making(bill)

    def _finished(self, made: _Making, now: datetime) -> Bill:
        bill, tally = made.bill, self._intake.tally
        bill.starts_on, bill.ends_on = made.cover(now.astimezone(UTC).date())
        bill.by_period, bill.total, bill.lines = made.spans > 1, made.total, made.lines
        bill.invoice_ids = sorted(made.invoices) or ([self._wanted.invoice_id] if self._wanted.invoice_id else [])
        bill.name = f"{bill.provider} {bill.starts_on:%Y-%m} {bill.currency} #{bill.id}"
        other = tally.other.get(bill.currency, _ZERO)
        bill.left_out = {
            "other_services": {"lines": tally.other_lines, "amount": plain(other)},
            "bad_rows": {"rows": tally.bad, "shown": tally.shown},
        }
        self._session.flush()
        return bill


def _take_usage(making: _Bills, wanted: Wanted, limits: Limits) -> None:
    assert wanted.usage is not None
    intake = Intake(wanted.usage, Asked(zone=wanted.asked.zone, skip_bad=wanted.asked.skip_bad), None, limits)
    if not intake.format.tokens_only:
        raise Invalid(f"The file beside it is a {intake.format.title}, which has amounts of its own.", field="usage")
    for chunk in _chunks(intake.charges(), CHUNK):
        making.take_beside(provider_of(wanted.asked.provider or intake.format.provider).name, chunk)


def _compare_once(made: list[_Making]) -> None:
    """What was measured counts once: of a provider's bills in several currencies the one with most models has it."""
    for each in made:
        rivals = [other.of_models for other in made if other.bill.provider == each.bill.provider and other is not each]
        first = next(other for other in made if other.bill.provider == each.bill.provider)
        if rivals and (each.of_models < max(rivals) or (each.of_models == max(rivals) and each is not first)):
            each.bill.compared = False


def _replace(session: Session, replaces: int, bills: list[Bill]) -> None:
    """One of the new bills takes the place of an old one, of which nothing stands in the ledger any more."""
    book.alone(session)  # before any bill is locked, as posting does
    old = find(session, replaces, lock=True)
    if old.state == "replaced":
        raise Conflict(f"Bill {old.id} is replaced already.", field="replaces")
    new = next((b for b in bills if (b.provider, b.currency) == (old.provider, old.currency)), None)
    if new is None:
        raise Conflict(
            f"Bill {old.id} is {old.provider}'s in {old.currency}; this file has none of these.", field="replaces"
        )
    old.state, new.replaces = "replaced", old.id
    posting.take_back(session, old, f"Replaced by {new.name}.")
    session.flush()


def _no_rival(session: Session, bill: Bill) -> None:
    """`Conflict` where another bill has the same invoice, or is compared with what was measured on the same days."""
    of_provider = select(Bill).where(Bill.provider == bill.provider, Bill.id != bill.id, LIVE)
    in_currency = of_provider.where(Bill.currency == bill.currency)
    same = session.scalars(in_currency.where(Bill.invoice_ids.overlap(bill.invoice_ids)).limit(1)).first()
    if same and bill.invoice_ids:
        shared = ", ".join(sorted(set(same.invoice_ids) & set(bill.invoice_ids))[:5])
        raise Conflict(
            f"Invoice {shared} is on bill {same.id} already, from another file ({same.file_name}). Where this one takes its "
            f"place, import it with replaces={same.id}.",
            field="replaces",
        )
    if not bill.compared:
        return
    on_days = of_provider.where(Bill.compared, Bill.starts_on < bill.ends_on, Bill.ends_on > bill.starts_on)
    rival = session.scalars(on_days.order_by(Bill.id).limit(1)).first()
    if rival:
        raise Conflict(
            f"Bill {rival.id} covers {rival.starts_on} to before {rival.ends_on} of {rival.provider} already, and what was "
            f"measured counts once. Where this one takes its place, import it with replaces={rival.id}; where it bills "
            "something else beside it, with compared=false.",
            field="replaces",
        )


def find(session: Session, bill_id: int, *, lock: bool = False) -> Bill:
    """A bill by id; `NotFound` otherwise."""
    found = session.get(Bill, bill_id, with_for_update=lock or None)
    if found is None:
        raise NotFound(f"There is no bill {bill_id}.")
    return found


def say_alias(
    session: Session, *, provider: str, name: str, model: str | None, pool: str | None, actor: str, now: datetime
) -> BillAlias:
    """A person says what a name on bills is. Bills not posted yet are compared anew at once, posted ones by a task."""
    alias = aliases.say(session, provider=provider, name=name, model=model, pool=pool, actor=actor)
    aliases.mark(session, alias.provider)
    open_ = select(Bill).where(Bill.provider == alias.provider, Bill.state.in_(("imported", "matched")))
    for bill in session.scalars(open_.order_by(Bill.id.desc()).limit(AT_ONCE_MAX)).all():
        matching.run(session, bill, now)
    outbox.send(session, "bill.rematch")
    return alias


def _around(known: tuple[date, date] | None, more: tuple[date, date]) -> tuple[date, date]:
    return more if known is None else (min(known[0], more[0]), max(known[1], more[1]))


def _digest(file: IO[bytes], limits: Limits) -> bytes:
    digest, size = hashlib.sha256(), 0
    while data := file.read(1 << 20):
        digest.update(data)
        size += len(data)
        if size > limits.bytes:
            raise Invalid(f"A file has at most {limits.bytes} bytes; import it in parts.", field="file")
    file.seek(0)
    return digest.digest()


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    walk = iter(items)
    while chunk := list(islice(walk, size)):
        yield chunk
