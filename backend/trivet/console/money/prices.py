"""The price book on a page: what has no price, what holds, how one price came to be, and lists to import."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import format as say
from trivet.console.door import Looking
from trivet.console.money import prices_import, prices_others
from trivet.console.money import prices_words as words
from trivet.console.money.prices_views import (
    GapRow,
    HistoryPage,
    HistoryRow,
    PriceRow,
    PricesPage,
    PriceTable,
)
from trivet.console.pages import show
from trivet.ingest.request.fact import NO_PRICE
from trivet.kit.body import Asked
from trivet.kit.errors import NotFound
from trivet.kit.interval import Interval
from trivet.pricing import service
from trivet.pricing.book import ENTERED, IMPORTED, Key, PriceBook, PriceLine
from trivet.pricing.dated import plain
from trivet.pricing.models import Price, PriceEnd
from trivet.report import gaps
from trivet.report.gaps import Gaps, ModelGap, UnitGap

router = APIRouter()
router.include_router(prices_import.router)
LOOK_BACK = timedelta(days=words.DAYS)
SHOWN = 50


@router.get("/prices")
def page_of_prices(looking: Looking, q: Annotated[Asked, Query()] = "") -> HTMLResponse:
    """Gaps first, then what holds; `q` keeps models and providers that contain it."""
    now = looking.now
    with db.transaction() as session:
        book = service.book(session)
        found = gaps.gaps(session, Interval(now - LOOK_BACK, now))
        held = book.held(now)
        tables, more = _tables(session, book, [row for row in held if _matches(row[0], q)], now)
        others = tuple(prices_others.others(session))
    page = PricesPage(
        reader=looking,
        sentence=words.sentence(_known(held, found)),
        q=q,
        gaps=(*map(_model_gap, found.models), *map(_unit_gap, found.units)),
        whole=found.whole,
        tables=tables,
        more=more,
        others=others,
    )
    return show("prices/list.html", page)


@router.get("/prices/one")
def page_of_one(
    looking: Looking,
    provider: Annotated[Asked, Query()],
    model: Annotated[Asked, Query()],
    pool: Annotated[Asked, Query()] = "",
    tier: Annotated[Asked, Query()] = "",
) -> HTMLResponse:
    """One price over time."""
    now = looking.now
    with db.transaction() as session:
        book = service.book(session)
        rows = _rows_of(session, provider, model, pool, tier)
        ends = _ends_of(session, provider, model, pool, tier)
    if not rows:
        raise NotFound(f"Nobody entered or imported a price of {model} of {provider}.")
    series = book.series(provider, model, pool, tier)
    held = series.at(now)
    row = next((row for row in rows if held and row.id == held.id), None)
    what = f"{model} of {provider}" + (f" in tier {tier}" if tier else "") + (f" on {pool}" if pool else "")
    page = HistoryPage(
        reader=looking,
        sentence=words.history_sentence(what, held, row.effective_from if row else None, row.source if row else ""),
        picture=words.picture(list(zip(series.starts, series.lines, strict=True)), now),
        currency=(row or rows[0]).currency,
        rows=tuple(_history(rows, ends, held.id if held else 0, now)),
    )
    return show("prices/history.html", page)


def _known(held: Sequence[tuple[Key, PriceLine]], found: Gaps) -> words.Known:
    overrides = sum(key.layer == ENTERED for key, _ in held)
    models = {(gap.provider, gap.model) for gap in found.models if gap.reason == NO_PRICE}
    odd = sum(gap.requests for gap in found.models if gap.reason != NO_PRICE)
    return words.Known(len(held), overrides, len(models), found.requests, found.tokens, len(found.units), odd)


def _matches(key: Key, q: str) -> bool:
    return q.lower() in f"{key.provider} {key.model} {key.pool} {key.tier}".lower()


def _tables(
    session: Session, book: PriceBook, held: Sequence[tuple[Key, PriceLine]], now: datetime
) -> tuple[tuple[PriceTable, ...], int]:
    """What holds, a person's prices first, by currency; and how many more there are."""
    ordered = sorted(held, key=lambda row: (row[0].layer != ENTERED, row[0]))
    shown = ordered[:SHOWN]
    wanted = select(Price).where(Price.id.in_([line.id for _, line in shown]))
    rows = {row.id: row for row in session.scalars(wanted)}
    by_currency: dict[str, list[PriceRow]] = {}
    for key, line in shown:
        contracted = book.price_at(key.provider, key.model, key.pool, now, key.tier) or line
        by_currency.setdefault(line.currency, []).append(_row(key, contracted, rows[line.id]))
    tables = tuple(PriceTable(currency, tuple(found)) for currency, found in sorted(by_currency.items()))
    return tables, len(ordered) - len(shown)


def _row(key: Key, line: PriceLine, row: Price) -> PriceRow:
    address = {"provider": key.provider, "model": key.model, "pool": key.pool, "tier": key.tier}
    said = {
        kind: words.rate_words(getattr(line.rates, kind)) if kind in row.rates else ""
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
    }
    return PriceRow(
        provider=key.provider,
        model=key.model,
        note=" · ".join(filter(None, (key.tier, key.pool and f"on {key.pool}"))),
        **said,
        off=f"{plain(line.percent)} %" if line.percent else "",
        since=row.effective_from,
        source=row.source,
        override=key.layer == ENTERED,
        url=f"/prices/one?{urlencode({name: value for name, value in address.items() if value})}",
    )


def _model_gap(gap: ModelGap) -> GapRow:
    note = " · ".join(filter(None, (gap.provider, gap.tier, gap.pool and f"on {gap.pool}")))
    return GapRow(
        gap.model or "no model", note, words.WHY[gap.reason], gap.requests, f"{say.count(gap.total)} tokens", gap.to_do
    )


def _unit_gap(gap: UnitGap) -> GapRow:
    note = " · ".join(filter(None, (gap.of.name, gap.of.provider, gap.of.pool)))
    amount = f"{plain(gap.amount)} {gap.of.unit.replace('_', ' ')}"
    return GapRow(gap.of.unit.replace("_", " "), note, "it has no unit price", None, amount, gap.to_do)


def _rows_of(session: Session, provider: str, model: str, pool: str, tier: str) -> list[Price]:
    own = (Price.provider == provider, Price.model == model, Price.pool == pool, Price.tier == tier)
    return list(session.scalars(select(Price).where(*own).order_by(Price.effective_from.desc(), Price.id.desc())))


def _ends_of(session: Session, provider: str, model: str, pool: str, tier: str) -> list[PriceEnd]:
    own = (PriceEnd.provider == provider, PriceEnd.model == model, PriceEnd.pool == pool, PriceEnd.tier == tier)
    return list(session.scalars(select(PriceEnd).where(*own)))


def _history(rows: Sequence[Price], ends: Iterable[PriceEnd], held: int, now: datetime) -> list[HistoryRow]:
    """Newest first."""
    found = [HistoryRow(end.effective_from, "ends", "What was entered ends.", "", end.author) for end in ends]
    newest = {layer: next((r.id for r in rows if r.layer == layer and r.effective_from <= now), 0) for layer in (0, 1)}
    for row in rows:
        if row.id == held:
            state = "holds"
        elif row.effective_from > now:
            state = "to come"
        else:
            state = "beneath" if row.layer == IMPORTED and row.id == newest[IMPORTED] else "past"
        rates = ", ".join(f"{kind.replace('_', ' ')} {_steps(steps)}" for kind, steps in row.rates.items())
        found.append(HistoryRow(row.effective_from, state, rates, row.source, row.author))
    return sorted(found, key=lambda row: row.at, reverse=True)


def _steps(steps: Sequence[Sequence[Any]]) -> str:
    return " · ".join(f"{price} beyond {say.count(start)}" if start else str(price) for start, price in steps)
