"""The price book as the page and its file show it: gaps, what holds at an instant, when prices changed, one over time."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.console import format as say
from trivet.console.address import Address, Link, Times, instant, number_after
from trivet.console.money import prices_changes as changing
from trivet.console.money import prices_links as links
from trivet.console.money import prices_others
from trivet.console.money import prices_words as words
from trivet.console.money.prices_views import (
    ChangeRow,
    GapRow,
    HistoryPage,
    HistoryRow,
    PriceRow,
    PricesPage,
    PriceTable,
    Timeline,
)
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.ingest.request.fact import NO_PRICE
from trivet.kit.clock import rfc3339
from trivet.kit.errors import NotFound
from trivet.kit.interval import Interval
from trivet.kit.page import to_cursor
from trivet.pricing import service
from trivet.pricing.book import ENTERED, IMPORTED, LAYERS, Key, PriceBook, PriceLine
from trivet.pricing.dated import plain
from trivet.pricing.models import Price, PriceEnd
from trivet.report import gaps
from trivet.report.files.table import Column
from trivet.report.gaps import Gaps, ModelGap, UnitGap
from trivet.rollup.read import one_of

LOOK_BACK = timedelta(days=words.DAYS)
SHOWN = 50
CHANGES_SHOWN = 20
YEAR = timedelta(days=365)
KINDS = tuple(words.KINDS)
COLUMNS = (
    Column("id", "count"), Column("provider"), Column("model"), Column("pool"), Column("tier"), Column("layer"),
    *(Column(kind) for kind in KINDS), Column("currency"), Column("percent_off"), Column("effective_from"),
    Column("source"), Column("author"),
)  # fmt: skip


class Query(Times):
    """Which prices: `q` within any name, `provider` and `model` by name; `on` the day that they hold at."""

    q: Annotated[str, Field(max_length=256)] = ""
    provider: Annotated[str, Field(max_length=256)] = ""
    model: Annotated[str, Field(max_length=256)] = ""
    on: Annotated[str, Field(max_length=40)] = ""
    cursor: Annotated[str, Field(max_length=100)] = ""


def at_of(query: Query, now: datetime, zone: tzinfo) -> datetime:
    """The instant that prices are shown of: the end of the day asked for, else now."""
    found = instant(query.on, zone, last=True) if query.on else None
    return found - timedelta(microseconds=1) if found is not None else now


def held(session: Session, query: Query, at: datetime) -> tuple[PriceBook, list[tuple[Key, PriceLine]]]:
    """What holds at an instant, as the address narrows it; a person's prices first."""
    book = service.book(session)
    found = [row for row in book.held(at) if _matches(row[0], query)]
    return book, sorted(found, key=lambda row: (row[0].layer != ENTERED, row[0]))


def lines(session: Session, query: Query, at: datetime) -> list[tuple[Any, ...]]:
    """Every price that holds as a file has it; rates as they were entered, per million tokens."""
    book, found = held(session, query, at)
    rows = _rows(session, found)
    made = []
    for key, line in found:
        contracted = book.price_at(key.provider, key.model, key.pool, at, key.tier) or line
        made.append(_file_row(rows[line.id], str(plain(contracted.percent))))
    return made


def page(session: Session, looking: Reader, query: Query, address: Address) -> PricesPage:
    """Gaps first, then what holds."""
    now, at = looking.now, at_of(query, looking.now, looking.zone)
    book, found = held(session, query, at)
    lacking = gaps.gaps(session, Interval(now - LOOK_BACK, now))
    every = found if not (query.q or query.provider or query.model or query.on) else book.held(now)
    start = max(number_after(query.cursor) or 0, 0)
    shown = found[start : start + SHOWN]
    return PricesPage(
        reader=looking,
        sentence=words.sentence(_known(every, lacking)),
        address=address,
        q=query.q,
        on=query.on if at is not now else "",
        chips=_chips(query, address, at, now),
        gaps=(*(_model_gap(gap, may_enter=looking.may_book) for gap in lacking.models), *map(_unit_gap, lacking.units)),
        whole=lacking.whole,
        picture=_timeline(session, query, address, looking),
        changes=tuple(_changes(session, query, now)),
        tables=_tables(session, book, shown, at),
        count=len(found),
        next_url=address.url(cursor=to_cursor([start + SHOWN])) if len(found) > start + SHOWN else "",
        others=tuple(prices_others.others(session)),
    )


def _chips(query: Query, address: Address, at: datetime, now: datetime) -> tuple[Link, ...]:
    said = [(query.q, "q"), (query.provider, "provider"), (query.model, "model")]
    chips = [Link(value, address.url(**{name: "", "cursor": ""})) for value, name in said if value]
    if at is not now:
        chips.append(Link(_("on {day}", day=words.day_year(at)), address.url(on="", cursor="")))
    return tuple(chips)


def _narrowed(query: Query) -> list[Any]:
    """What the address narrows, of rows."""
    where: list[Any] = []
    if query.provider:
        where.append(Price.provider == query.provider)
    if query.model:
        where.append(Price.model == query.model)
    if query.q:
        where.append(
            func.concat_ws(" ", Price.provider, Price.model, Price.pool, Price.tier).icontains(query.q, autoescape=True)
        )
    return where


def _timeline(session: Session, query: Query, address: Address, looking: Reader) -> Timeline | None:
    """When prices changed in the last year and what is to come, by UTC day."""
    start = looking.now - YEAR
    day = func.date_trunc("day", Price.effective_from, "UTC")
    counted = select(day, func.count()).where(Price.effective_from >= start, *_narrowed(query)).group_by(day)
    found = session.execute(counted.order_by(day.desc()).limit(changing.DAYS_MAX)).all()
    days = [changing.Changed(at, count, address.url(on=f"{at:%Y-%m-%d}", cursor="")) for at, count in found]
    return changing.draw(days, start, looking.now) if days else None


def _changes(session: Session, query: Query, now: datetime) -> Iterable[ChangeRow]:
    newest = select(Price).where(*_narrowed(query)).order_by(Price.effective_from.desc(), Price.id.desc())
    for row in session.scalars(newest.limit(CHANGES_SHOWN)):
        yield ChangeRow(
            at=row.effective_from, coming=row.effective_from > now, model=row.model, provider=row.provider,
            note=words.note(row.tier, pool=row.pool), rates=_rates(row), currency=row.currency, source=words.source(row.source),
            author=row.author, url=links.one(row.provider, row.model, row.pool, row.tier),
        )  # fmt: skip


def _rates(row: Price) -> str:
    return ", ".join(f"{_(words.KINDS.get(kind, kind))} {_steps(steps)}" for kind, steps in row.rates.items())


def one(session: Session, looking: Reader, key: Key) -> HistoryPage:
    """One price over time."""
    now, (provider, model, pool, tier, _layer) = looking.now, key
    book = service.book(session)
    rows = _rows_of(session, provider, model, pool, tier)
    ends = _ends_of(session, provider, model, pool, tier)
    if not rows:
        raise NotFound(f"Nobody entered or imported a price of {model} of {provider}.")
    series = book.series(provider, model, pool, tier)
    line = series.at(now)
    row = next((row for row in rows if line and row.id == line.id), None)
    what = words.named(model, provider, tier, pool)
    return HistoryPage(
        reader=looking,
        sentence=words.history_sentence(
            what, line, row.effective_from if row else None, words.source(row.source) if row else ""
        ),
        picture=words.picture(list(zip(series.starts, series.lines, strict=True)), now),
        currency=(row or rows[0]).currency,
        csv=links.one(provider, model, pool, tier).replace("/prices/one?", "/prices/one.csv?"),
        rows=tuple(_history(rows, ends, line.id if line else 0, now)),
        next_price=links.new(provider, model, pool, tier) if looking.may_book else "",
    )


def one_lines(session: Session, key: Key) -> list[tuple[Any, ...]]:
    """Every dated row of one price as a file has it, newest first."""
    return [_file_row(row, None) for row in _rows_of(session, *key[:4])]


def _file_row(row: Price, percent: str | None) -> tuple[Any, ...]:
    """A row of the book; `2.5;5>200000` is 2.5, and 5 of those with more than 200,000 tokens before them."""
    rates = (
        ";".join(f"{price}>{start}" if start else str(price) for start, price in row.rates.get(kind, []))
        for kind in KINDS
    )
    return (
        row.id, row.provider, row.model, row.pool, row.tier, LAYERS[row.layer], *rates, row.currency, percent,
        rfc3339(row.effective_from), row.source, row.author,
    )  # fmt: skip


def _matches(key: Key, query: Query) -> bool:
    named = f"{key.provider} {key.model} {key.pool} {key.tier}".lower()
    return query.q.lower() in named and query.provider in ("", key.provider) and query.model in ("", key.model)


def _known(held: Sequence[tuple[Key, PriceLine]], found: Gaps) -> words.Known:
    overrides = sum(key.layer == ENTERED for key, _ in held)
    models = {(gap.provider, gap.model) for gap in found.models if gap.reason == NO_PRICE}
    odd = sum(gap.requests for gap in found.models if gap.reason != NO_PRICE)
    return words.Known(len(held), overrides, len(models), found.requests, found.tokens, len(found.units), odd)


def _tables(
    session: Session, book: PriceBook, shown: Sequence[tuple[Key, PriceLine]], at: datetime
) -> tuple[PriceTable, ...]:
    """Prices by currency."""
    rows = _rows(session, shown)
    by_currency: dict[str, list[PriceRow]] = {}
    for key, line in shown:
        contracted = book.price_at(key.provider, key.model, key.pool, at, key.tier) or line
        by_currency.setdefault(line.currency, []).append(_row(key, contracted, rows[line.id]))
    return tuple(PriceTable(currency, tuple(found)) for currency, found in sorted(by_currency.items()))


def _rows(session: Session, shown: Sequence[tuple[Key, PriceLine]]) -> dict[int, Price]:
    wanted = select(Price).where(one_of(Price.id, [line.id for _key, line in shown]))
    return {row.id: row for row in session.scalars(wanted)}


def _row(key: Key, line: PriceLine, row: Price) -> PriceRow:
    said = {
        kind: words.rate_words(getattr(line.rates, kind)) if kind in row.rates else ""
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
    }
    return PriceRow(
        provider=key.provider,
        model=key.model,
        note=words.note(key.tier, pool=key.pool),
        **said,
        off=f"{plain(line.percent)} %" if line.percent else "",
        since=row.effective_from,
        source=words.source(row.source),
        override=key.layer == ENTERED,
        url=links.one(key.provider, key.model, key.pool, key.tier),
    )


def _model_gap(gap: ModelGap, *, may_enter: bool) -> GapRow:
    since = f"{gap.first_seen.astimezone(UTC):%Y-%m-%d}"
    can = may_enter and gap.reason == NO_PRICE and gap.provider and gap.model
    note = words.note(gap.provider, gap.tier, pool=gap.pool)
    return GapRow(
        gap.model or _("no model"),
        note,
        _(words.WHY[gap.reason]),
        gap.requests,
        _("{n} tokens", n=say.count(gap.total)),
        gap.to_do,
        links.new(gap.provider, gap.model, "", gap.tier, since) if can else "",
    )


def _unit_gap(gap: UnitGap) -> GapRow:
    note = " · ".join(filter(None, (gap.of.name, gap.of.provider, gap.of.pool)))
    amount = f"{plain(gap.amount)} {gap.of.unit.replace('_', ' ')}"
    return GapRow(gap.of.unit.replace("_", " "), note, _("it has no unit price"), None, amount, gap.to_do)


def _rows_of(session: Session, provider: str, model: str, pool: str, tier: str) -> list[Price]:
    own = (Price.provider == provider, Price.model == model, Price.pool == pool, Price.tier == tier)
    return list(session.scalars(select(Price).where(*own).order_by(Price.effective_from.desc(), Price.id.desc())))


def _ends_of(session: Session, provider: str, model: str, pool: str, tier: str) -> list[PriceEnd]:
    own = (PriceEnd.provider == provider, PriceEnd.model == model, PriceEnd.pool == pool, PriceEnd.tier == tier)
    return list(session.scalars(select(PriceEnd).where(*own)))


def _history(rows: Sequence[Price], ends: Iterable[PriceEnd], held: int, now: datetime) -> list[HistoryRow]:
    """Newest first."""
    found = [HistoryRow(end.effective_from, "ends", _("What was entered ends."), "", end.author) for end in ends]
    newest = {layer: next((r.id for r in rows if r.layer == layer and r.effective_from <= now), 0) for layer in (0, 1)}
    for row in rows:
        if row.id == held:
            state = "holds"
        elif row.effective_from > now:
            state = "coming"
        else:
            state = "beneath" if row.layer == IMPORTED and row.id == newest[IMPORTED] else "past"
        rates = _rates(row)
        found.append(HistoryRow(row.effective_from, state, rates, words.source(row.source), row.author))
    return sorted(found, key=lambda row: row.at, reverse=True)


def _steps(steps: Sequence[Sequence[Any]]) -> str:
    return " · ".join(
        _("{price} beyond {tokens}", price=price, tokens=say.count(start)) if start else str(price)
        for start, price in steps
    )
