"""Bills as the page and its files show them: the list, one of them against what was measured."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.bill import aliases, answers, service, telling
from trivet.bill.match import Parts
from trivet.bill.models import Bill, BillAlias, BillLine, BillMatch
from trivet.bill.names import SAME
from trivet.bill.read.formats import providers
from trivet.bill.telling import Told
from trivet.console import format as say
from trivet.console.address import Address, Link, Times, number_after
from trivet.console.money import bills_words as words
from trivet.console.money.bills_draw import draw
from trivet.console.money.bills_views import BillRow, BillsPage, CauseRow, Chosen, DayRow, NameRow, PostForm
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.kit.errors import NotFound
from trivet.kit.money import EXACT, plain
from trivet.kit.page import INT4, to_cursor
from trivet.ledger.periods import shut
from trivet.report.files.table import Column

SHOWN = 50
FILE_MAX = 1_000
DAYS_SHOWN = 200
NAMES_SHOWN = 50
MODELS_OFFERED = 200
ZERO = Decimal(0)
WAITING = ("imported", "matched")
STATE_CHOICES: Final = {"waiting": N_("To post"), "posted": N_("posted"), "replaced": N_("replaced")}
STATES_OF: Final = {"waiting": WAITING, "posted": ("posted",), "replaced": ("replaced",)}
COLUMNS = (
    Column("day"), Column("model"), Column("billed", "money"), Column("measured", "money"), Column("difference", "money"),
    Column("currency"), Column("billed_tokens", "count"), Column("measured_tokens", "count"), Column("causes"),
)  # fmt: skip
LIST_COLUMNS = (
    Column("id", "count"), Column("provider"), Column("starts_on"), Column("ends_on"), Column("state"),
    Column("total", "money"), Column("measured", "money"), Column("difference", "money"), Column("unexplained", "money"),
    Column("currency"), Column("file_name"), Column("author"),
)  # fmt: skip


def id_of(given: str) -> int:
    if not given.isdecimal() or int(given) not in INT4:
        raise NotFound(f"There is no bill {given[:20]}.")
    return int(given)


class Query(Times):
    """Which bill, and which of the list. `since` and `until` are of the days that a bill covers."""

    bill: Annotated[str, Field(max_length=12)] = ""
    provider: Annotated[str, Field(max_length=256)] = ""
    state: Annotated[str, Field(max_length=20)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""


def page(session: Session, looking: Reader, query: Query, address: Address, problem: str = "") -> BillsPage:
    """The page: one bill, and the list it is of."""
    found = listed(session, query, address, SHOWN + 1)
    newest = found[:SHOWN]
    waiting = session.scalar(select(func.count()).select_from(Bill).where(Bill.state.in_(WAITING))) or 0
    bill = wanted(session, newest, query.bill)
    rows = answers.rows_of(session, bill.id) if bill else []
    of = answers.told(bill, rows) if bill else None
    sums = _sums(session, [each.id for each in newest])
    return BillsPage(
        reader=looking,
        sentence=words.sentence(of, waiting),
        address=address,
        states=address.choices("state", STATE_CHOICES, query.state),
        chips=_chips(query, address),
        bills=tuple(_row(each, *sums.get(each.id, (ZERO, ZERO)), address, chosen=each is bill) for each in newest),
        next_url=address.url(cursor=to_cursor([newest[-1].id])) if len(found) > SHOWN else "",
        list_url=address.url(f"{address.path}/list.csv", bill="", cursor=""),
        chosen=_chosen(session, looking, bill, rows, of) if bill and of else None,
        problem=problem,
        providers=tuple(providers()),
    )


def lines(session: Session, query: Query, address: Address) -> tuple[str, list[tuple[Any, ...]]]:
    """The rows of the bill that the page shows, all of them, as a file has them; and the file's name."""
    bill = wanted(session, listed(session, query, address, SHOWN), query.bill)
    if bill is None:
        return "bill", []
    rows = answers.rows_of(session, bill.id)
    return f"bill-{bill.id}", [_line(row, bill.currency) for row in rows]


def _line(row: BillMatch, currency: str) -> tuple[Any, ...]:
    parts = "; ".join(
        f"{cause}{f' {kind}' if kind else ''} {plain(Decimal(amount))}" for cause, kind, amount in row.parts
    )
    return (
        row.day.isoformat(), row.name, row.billed, row.measured, EXACT.subtract(row.billed, row.measured), currency,
        None if row.billed_tokens is None else int(row.billed_tokens), row.measured_tokens, parts,
    )  # fmt: skip


def list_lines(session: Session, query: Query, address: Address) -> list[tuple[Any, ...]]:
    """The bills of the list, all pages of them, as a file has them."""
    found = listed(session, query, address, FILE_MAX)
    sums = _sums(session, [each.id for each in found])
    return [_list_line(bill, *sums.get(bill.id, (ZERO, ZERO))) for bill in found]


def _list_line(bill: Bill, measured: Decimal, unexplained: Decimal) -> tuple[Any, ...]:
    return (
        bill.id, bill.provider, bill.starts_on.isoformat(), bill.ends_on.isoformat(), bill.state, bill.total, measured,
        EXACT.subtract(bill.total, measured), unexplained, bill.currency, bill.file_name, bill.author,
    )  # fmt: skip


def listed(session: Session, query: Query, address: Address, count: int) -> list[Bill]:
    """Bills, newest first, as the address narrows them."""
    found = select(Bill).order_by(Bill.id.desc()).limit(count)
    if query.state in STATE_CHOICES:
        found = found.where(Bill.state.in_(STATES_OF[query.state]))
    if query.provider:
        found = found.where(Bill.provider == query.provider)
    if address.range == "between":
        found = found.where(Bill.starts_on < address.interval.end.date(), Bill.ends_on > address.interval.start.date())
    before = number_after(query.cursor, INT4)
    return list(session.scalars(found.where(Bill.id < before) if before is not None else found))


def _chips(query: Query, address: Address) -> tuple[Link, ...]:
    chips = []
    if query.provider:
        chips.append(Link(telling.title(query.provider), address.url(provider="", cursor="")))
    if address.range == "between":
        starts, ends = address.interval.start.date(), address.interval.end.date()
        chips.append(Link(words.days(starts, ends), address.url(range="", since="", until="", cursor="")))
    return tuple(chips)


def wanted(session: Session, newest: Sequence[Bill], asked_for: str) -> Bill | None:
    """The bill asked for, else the newest that waits to be posted, else the newest."""
    if asked_for:
        return service.find(session, id_of(asked_for))
    return next((bill for bill in newest if bill.state in WAITING), newest[0] if newest else None)


def _sums(session: Session, bill_ids: Sequence[int]) -> dict[int, tuple[Decimal, Decimal]]:
    """Measured and unexplained, by bill."""
    part = func.jsonb_array_elements(BillMatch.parts).table_valued("value", name="part").lateral()
    measured = select(BillMatch.bill_id, func.sum(BillMatch.measured)).where(BillMatch.bill_id.in_(bill_ids))
    unexplained = (
        select(BillMatch.bill_id, func.sum(func.cast(part.c.value.op("->>")(2), BillMatch.measured.type)))
        .select_from(BillMatch)
        .join(part, part.c.value.op("->>")(0) == "unexplained")
        .where(BillMatch.bill_id.in_(bill_ids))
    )
    first: dict[int, Decimal] = dict(session.execute(measured.group_by(BillMatch.bill_id)).all())
    second: dict[int, Decimal] = dict(session.execute(unexplained.group_by(BillMatch.bill_id)).all())
    return {bill_id: (amount, second.get(bill_id, ZERO)) for bill_id, amount in first.items()}


def _row(bill: Bill, measured: Decimal, unexplained: Decimal, address: Address, *, chosen: bool) -> BillRow:
    return BillRow(
        id=bill.id,
        provider=telling.title(bill.provider),
        days=words.days(bill.starts_on, bill.ends_on),
        state=bill.state,
        currency=bill.currency,
        total=bill.total,
        measured=measured,
        difference=EXACT.subtract(bill.total, measured),
        unexplained=unexplained,
        chosen=chosen,
        url=address.url(bill=str(bill.id)),
        provider_url=address.url(provider=bill.provider, bill="", cursor=""),
    )


def _chosen(session: Session, looking: Reader, bill: Bill, rows: Sequence[BillMatch], of: Told) -> Chosen:
    ranked = _ranked(of.parts)
    names = _names(session, bill)
    places = say.watched_places([row.billed for row in rows] + [row.measured for row in rows])
    return Chosen(
        id=bill.id,
        title=_("{provider}, {days}", provider=telling.title(bill.provider), days=words.days(bill.starts_on, bill.ends_on)),
        state=bill.state,
        currency=bill.currency,
        about=words.about(
            file_name=bill.file_name, author=bill.author, lines=bill.lines, zone=bill.zone, invoices=bill.invoice_ids,
            rest=words.left_out(bill.left_out.get("other_services", {}), bill.left_out.get("bad_rows", {}), bill.currency),
        ),
        waterfall=draw(
            of.measured, bill.total, [(words.cause(*key), amount) for key, amount in ranked], bill.currency,
            posted=bill.state == "posted",
        ),
        causes=tuple(CauseRow(words.cause(*key), words.meaning(key[0]), amount) for key, amount in ranked),
        days=tuple(_day(row, places) for row in rows[:DAYS_SHOWN]),
        days_left_out=max(len(rows) - DAYS_SHOWN, 0),
        places=places,
        unknown=tuple(name for name in names if not name.is_),
        guessed=tuple(name for name in names if name.is_),
        models=_models(session, bill),
        post=_post_form(session, looking, bill, rows, of),
    )  # fmt: skip


def _ranked(parts: Parts) -> list[tuple[tuple[str, str], Decimal]]:
    return sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))


def _day(row: BillMatch, places: int) -> DayRow:
    billed = "–" if row.billed_tokens is None else f"{row.billed_tokens:,.0f}"
    return DayRow(
        day=row.day,
        name=row.name or _("the bill as a whole"),
        billed=row.billed,
        measured=row.measured,
        difference=EXACT.subtract(row.billed, row.measured),
        tokens=f"{billed} / {row.measured_tokens:,}" if row.billed_tokens is not None or row.measured_tokens else "–",
        causes=words.causes(row.parts, places),
    )


def _names(session: Session, bill: Bill) -> list[NameRow]:
    """Names that nobody knows, then those that were guessed by a rule; the dearest first."""
    query = (
        select(BillAlias, func.sum(BillLine.amount))
        .join(BillLine, BillLine.alias_id == BillAlias.id)
        .where(BillLine.bill_id == bill.id)
        .where(BillAlias.rule.not_in(("", SAME)) | (BillAlias.model_id.is_(None) & BillAlias.pool_id.is_(None)))
        .group_by(BillAlias.id)
        .order_by(BillAlias.model_id.is_not(None), func.sum(BillLine.amount).desc(), BillAlias.name)
        .limit(NAMES_SHOWN)
    )
    found = session.execute(query).all()
    targets = answers.targets(session, [alias for alias, _amount in found])
    return [
        NameRow(alias.name, next(filter(None, targets[alias.id]), ""), alias.rule, amount) for alias, amount in found
    ]


def _models(session: Session, bill: Bill) -> tuple[str, ...]:
    known = aliases.models_of(session, bill.measured_as)
    return tuple(sorted(set(known.values())))[:MODELS_OFFERED]


def _post_form(session: Session, looking: Reader, bill: Bill, rows: Sequence[BillMatch], of: Told) -> PostForm | None:
    if not looking.may_book or bill.state == "replaced":
        return None
    days = {row.day for row in rows if row.billed != row.measured}
    closed = shut(session)
    first = f"{bill.starts_on:%Y-%m}"
    adjusts = say.month_year(bill.starts_on) if closed and first <= closed else ""
    ways = tuple(
        (value, label, words.preview(of, len(days), value, adjusts))
        for value, label in (("apart", _("Keep them apart")), ("use", _("Spread them by use")))
    )
    return PostForm(_("Post again") if bill.state == "posted" else _("Post the bill"), ways, bill.spread)
