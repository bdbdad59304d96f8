"""What the form of a price is shown with: where it begins, what it would change, the page."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.console.money import prices_enter_words as words
from trivet.console.money.prices_enter_form import Asking, Wanted, rate_text, understood
from trivet.console.money.prices_views import EnterPage, RateField
from trivet.console.money.prices_words import KINDS, named
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.fleet.models import Pool
from trivet.pricing import service
from trivet.pricing.models import Price
from trivet.pricing.rate import NEEDED, Rates, discounted
from trivet.pricing.service import known_ids
from trivet.pricing.tier import tier_of
from trivet.report.repriced import repriced

NOTHING = "USD"  # the currency of a form that follows no price
LABELS = {
    "input": N_("Input"), "output": N_("Output"), "cache_read": N_("Cache read"), "cache_write": N_("Cache write"),
    "reasoning": N_("Reasoning"),
}  # fmt: skip
SAME = {
    "cache_read": N_("Empty: as input."),
    "cache_write": N_("Empty: as input."),
    "reasoning": N_("Empty: as output."),
}


def begun(session: Session, asking: Asking, now: datetime) -> Asking:
    """With the rates and the currency of the price that holds, where a link names a price and says no rates."""
    if not all(getattr(asking, kind) is None for kind in KINDS):
        return asking
    line = service.book(session).price_at(
        asking.provider.strip(), asking.model.strip(), asking.pool.strip(), now, tier_of(asking.tier) or ""
    )
    row = session.get(Price, line.id) if line else None
    if row is None:
        return asking.model_copy(update={"currency": asking.currency or NOTHING})
    rates = {kind: rate_text(steps) for kind, steps in row.rates.items()}
    return asking.model_copy(update={**rates, "currency": asking.currency or row.currency})


def page(session: Session, looking: Reader, asking: Asking, problems: dict[str, str] | None = None) -> EnterPage:
    """The form. `problems` are of one that was sent; one that is being written has none yet."""
    wanted, wrong = understood(asking)
    what = named(asking.model.strip(), asking.provider.strip(), asking.tier.strip(), asking.pool.strip())
    return EnterPage(
        reader=looking,
        sentence=_("Enter a price of {what}", what=what)
        if asking.model.strip() and asking.provider.strip()
        else _("Enter a price"),
        preview=words.sentence(_change(session, wanted, looking.now), looking.now)
        if wanted
        else _unsaid(asking, wrong),
        provider=asking.provider,
        model=asking.model,
        pool=asking.pool,
        tier=asking.tier,
        rates=tuple(
            RateField(kind, _(LABELS[kind]), text, _(SAME[kind]) if kind in SAME else "", kind in NEEDED)
            for kind, text in asking.rates.items()
        ),
        currency=asking.currency,
        begins=asking.begins,
        source=asking.source,
        problems=problems or {},
    )


def _unsaid(asking: Asking, wrong: dict[str, str]) -> str:
    """What is wrong with something that was said, else what is still to be said."""
    for name, problem in wrong.items():
        if getattr(asking, name):
            return problem
    return _("Say of which model, how much and from which day: what it changes is said here first.")


def _change(session: Session, wanted: Wanted, now: datetime) -> words.Change:
    key, book, new = wanted.key, service.book(session), Rates.parse(wanted.rates)
    own = book.by_key.get(key)
    starts = own.starts if own else ()
    old = book.price_at(key.provider, key.model, key.pool, wanted.starts, key.tier)
    moved = None
    if old is not None and old.currency == wanted.currency:
        moved = repriced(session, book, key, old.rates, discounted(new, old.percent), now=now)
    return words.Change(
        what=named(key.model, key.provider, key.tier, key.pool),
        starts=wanted.starts,
        currency=wanted.currency,
        new=new,
        kinds=frozenset(wanted.rates),
        old=old,
        until=min((each for each in starts if each > wanted.starts), default=None),
        moved=moved,
        taken=bool(own and any(at == wanted.starts and line for at, line in zip(own.starts, own.lines, strict=True))),
        met=(key.provider, key.model) in known_ids(session, [(key.provider, key.model)]),
        pool=key.pool if key.pool and session.scalar(select(Pool.id).where(Pool.name == key.pool)) is None else "",
    )
